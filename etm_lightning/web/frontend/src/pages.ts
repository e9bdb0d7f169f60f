import { askAhead } from "./charts/ahead";
import { ChartsPage } from "./charts/page";
import { ComparePage } from "./compare";
import { GroupsPage } from "./groups";
import { listed, type Page } from "./router";
import { RunPage } from "./run";
import { RunsPage } from "./runs";
import { StudyPage } from "./study";

/** Every page of the front end. A new one is a line here. */
export const PAGES: Page[] = [
  { pattern: "/runs", title: "Runs", nav: true, view: RunsPage },
  { pattern: "/groups", title: "Groups", nav: true, view: GroupsPage },
  { pattern: "/run/:key", title: "Run", view: RunPage },
  { pattern: "/charts", title: "Charts", view: ChartsPage, ahead: (source, query) => askAhead(source, listed(query, "keys"), query) },
  { pattern: "/compare", title: "Compare", view: ComparePage },
  { pattern: "/group/:store/:project/:group", title: "Group", view: StudyPage },
];
