import { openTemporaryLocalStorage } from "../testing/local-vault-folder.ts";
import { testStorageContract } from "../testing/storage-contract.ts";

testStorageContract("LocalStorage", () => openTemporaryLocalStorage());
