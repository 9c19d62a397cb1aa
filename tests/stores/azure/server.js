// An Azure Blob server (Azurite) on a free port of the loopback address, with one container: server.js CONTAINER
//
// Prints the port and serves until its standard input ends, so it does not outlive who started it. Everything is in memory.
// The account and its key are in the environment, as for a client.
"use strict";
const { spawn } = require("node:child_process");
const { createInterface } = require("node:readline");
const { BlobServiceClient, StorageSharedKeyCredential } = require("@azure/storage-blob");

const [account, key] = [process.env.AZURE_STORAGE_ACCOUNT_NAME, process.env.AZURE_STORAGE_ACCOUNT_KEY];
const options = ["--blobPort", "0", "--inMemoryPersistence", "--disableTelemetry", "--silent"];
// A client may speak a newer version of the protocol than the server knows by name.
const main = [require.resolve("azurite/dist/src/blob/main.js"), ...options, "--skipApiVersionCheck"];
const env = { ...process.env, AZURITE_ACCOUNTS: `${account}:${key}` };
const server = spawn(process.execPath, main, { env, stdio: ["ignore", "pipe", "inherit"] });
server.on("exit", (code) => process.exit(code ?? 1));
process.on("SIGTERM", () => server.kill());
process.stdin.on("end", () => server.kill()).resume();
createInterface({ input: server.stdout }).on("line", async (line) => {
  const listens = line.match(/listens on (http:\/\/127\.0\.0\.1:(\d+))/);
  if (!listens) return;
  const service = new BlobServiceClient(`${listens[1]}/${account}`, new StorageSharedKeyCredential(account, key));
  await service.createContainer(process.argv[2]);
  console.log(listens[2]);
});
