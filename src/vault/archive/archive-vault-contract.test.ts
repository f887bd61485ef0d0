import { openLocalPlace, openMemoryPlace } from "../../testing/archive-vault-places.ts";
import { testVaultContract } from "../../testing/vault-contract.ts";

testVaultContract("an archive vault in memory:", openMemoryPlace);
testVaultContract("an archive vault in a folder:", openLocalPlace);
