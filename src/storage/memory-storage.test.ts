import { testStorageContract } from "../testing/storage-contract.ts";
import { MemoryStorage } from "./memory-storage.ts";

testStorageContract("MemoryStorage", async () => new MemoryStorage());
