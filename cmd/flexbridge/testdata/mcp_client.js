// An MCP client of the official TypeScript SDK, played through lines of JSON.
//
//	node mcp_client.js client modern URL   @modelcontextprotocol/client
//	node mcp_client.js client legacy URL   the same, with the old handshake
//	node mcp_client.js sdk legacy URL      @modelcontextprotocol/sdk, its predecessor
//
// First it writes {"id": 0, "version"}, the revision it speaks with the server. Then each line
// {"id", "timeout", "params"} on stdin is a call of a tool, of which it writes {"id",
// "result"} or {"id", "error"}. timeout, in ms, is the client's own patience. It ends
// with its stdin.
const readline = require('node:readline')

const [library, era, url] = process.argv.slice(2)
const info = { name: 'test', version: '1' }

const libraries = {
  async client() {
    const { Client, StreamableHTTPClientTransport } = require('@modelcontextprotocol/client')
    const mode = { modern: { pin: '2026-07-28' }, legacy: 'legacy' }[era]
    const client = new Client(info, { versionNegotiation: { mode } })
    await client.connect(new StreamableHTTPClientTransport(new URL(url)))
    return { version: client.getNegotiatedProtocolVersion(), call: (params, options) => client.callTool(params, options) }
  },
  async sdk() {
    const { Client } = require('@modelcontextprotocol/sdk/client/index.js')
    const { StreamableHTTPClientTransport } = require('@modelcontextprotocol/sdk/client/streamableHttp.js')
    const client = new Client(info)
    const transport = new StreamableHTTPClientTransport(new URL(url))
    await client.connect(transport)
    return { version: transport.protocolVersion, call: (params, options) => client.callTool(params, undefined, options) }
  },
}

const write = line => process.stdout.write(JSON.stringify(line) + '\n')

async function main() {
  const { version, call } = await libraries[library]()
  write({ id: 0, version })
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { id, timeout, params } = JSON.parse(line)
    call(params, { timeout }).then(
      result => write({ id, result }),
      error => write({ id, error: String(error) }))
  }
  process.exit(0)
}

main()
