export interface GraphData {
  nodes: { name: string; op: string; inputs: string[] }[];
  left_out?: number;
}

/** The operations of a model in the order in which they run. */
export function Graph({ data }: { data: GraphData }) {
  return (
    <div class="scroll tall">
      <table class="values">
        <thead>
          <tr>
            <th>Operation</th>
            <th>Kind</th>
            <th>Takes</th>
          </tr>
        </thead>
        <tbody>
          {data.nodes.map((node) => (
            <tr key={node.name}>
              <th scope="row">{node.name}</th>
              <td>{node.op}</td>
              <td class="soft">{node.inputs.join(", ")}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {data.left_out ? <p class="soft">and {data.left_out} more.</p> : null}
    </div>
  );
}
