import { Lexer, type Token, type Tokens } from "marked";
import type { ComponentChildren } from "preact";
import { useMemo } from "preact/hooks";

/**
 * Markdown as elements of this page, made token by token from the kinds listed here. Nothing in the text can become
 * anything else: HTML in it is shown as it was typed, pictures become links, links lead only to the web or by mail.
 */
export function Elements({ text }: { text: string }) {
  const tokens = useMemo(() => new Lexer({ gfm: true, breaks: true }).lex(text), [text]);
  return <div class="markdown">{blocks(tokens)}</div>;
}

const blocks = (tokens: Token[] | undefined): ComponentChildren => (tokens ?? []).map((token, i) => <Block key={i} token={token} />);
const inlines = (tokens: Token[] | undefined): ComponentChildren => (tokens ?? []).map((token, i) => <Inline key={i} token={token} />);

function Block({ token }: { token: Token }) {
  switch (token.type) {
    case "space":
    case "def":
      return null;
    case "heading":
      return <Heading depth={(token as Tokens.Heading).depth}>{inlines(token["tokens"] as Token[])}</Heading>;
    case "paragraph":
      return <p>{inlines((token as Tokens.Paragraph).tokens)}</p>;
    case "text":
      return <>{token["tokens"] ? inlines(token["tokens"] as Token[]) : plain(token["text"] as string)}</>;
    case "code":
      return (
        <pre>
          <code>{(token as Tokens.Code).text}</code>
        </pre>
      );
    case "blockquote":
      return <blockquote>{blocks((token as Tokens.Blockquote).tokens)}</blockquote>;
    case "hr":
      return <hr />;
    case "list":
      return <List list={token as Tokens.List} />;
    case "table":
      return <Table table={token as Tokens.Table} />;
    default:
      return <p>{token.raw}</p>;
  }
}

function Heading({ depth, children }: { depth: number; children: ComponentChildren }) {
  if (depth === 1) return <h3 class="big">{children}</h3>;
  return depth === 2 ? <h3>{children}</h3> : <h4>{children}</h4>;
}

function List({ list }: { list: Tokens.List }) {
  const lines = list.items.map((item, i) => (
    <li key={i}>
      {item.task && <input type="checkbox" checked={item.checked ?? false} disabled aria-label="Done" />} {blocks(item.tokens.filter((one) => one.type !== "checkbox"))}
    </li>
  ));
  return list.ordered ? <ol start={Number(list.start) || 1}>{lines}</ol> : <ul>{lines}</ul>;
}

function Table({ table }: { table: Tokens.Table }) {
  const side = (i: number): string => (table.align[i] === "right" ? "num" : "");
  return (
    <table>
      <thead>
        <tr>
          {table.header.map((cell, i) => (
            <th key={i} class={side(i)}>
              {inlines(cell.tokens)}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {table.rows.map((row, n) => (
          <tr key={n}>
            {row.map((cell, i) => (
              <td key={i} class={side(i)}>
                {inlines(cell.tokens)}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Inline({ token }: { token: Token }) {
  const inside = "tokens" in token ? token.tokens : undefined;
  const inner = (): ComponentChildren => inlines(inside);
  switch (token.type) {
    case "strong":
      return <strong>{inner()}</strong>;
    case "em":
      return <em>{inner()}</em>;
    case "del":
      return <del>{inner()}</del>;
    case "br":
      return <br />;
    case "codespan":
      return <code>{(token as Tokens.Codespan).text}</code>;
    case "escape":
      return <>{(token as Tokens.Escape).text}</>;
    case "link":
    case "image":
      return <Link to={token["href"] as string}>{token.type === "image" ? (token["text"] as string) || (token["href"] as string) : inner()}</Link>;
    case "text":
      return <>{inside ? inner() : plain((token as Tokens.Text).text)}</>;
    default:
      return <>{token.raw}</>;
  }
}

function Link({ to, children }: { to: string; children: ComponentChildren }) {
  if (!/^(https?:|mailto:)/i.test(to)) return <>{children}</>;
  return (
    <a href={to} target="_blank" rel="noopener noreferrer nofollow">
      {children}
    </a>
  );
}

const ENTITIES: Record<string, string> = { "&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#39;": "'" };

/** Undoes the escapes for HTML that the lexer may have put into texts: elements escape for themselves. */
const plain = (text: string): string => text.replace(/&(amp|lt|gt|quot|#39);/g, (all) => ENTITIES[all] ?? all);
