import {
  openLocalRepositoryPlace,
  openMemoryRepositoryPlace,
} from "../../testing/repository-vault-places.ts";
import { testVaultContract } from "../../testing/vault-contract.ts";

testVaultContract("a repository vault in memory:", openMemoryRepositoryPlace);
testVaultContract("a repository vault in a folder:", openLocalRepositoryPlace);
