import assert from "node:assert/strict";
import { test } from "node:test";
import { asByteString } from "../domain/byte-string.ts";
import { deviceOf, isMountPoint, loadMounts, mountOf, mountsBelow, parseMounts } from "./mounts.ts";

// The second line is the example of proc_pid_mountinfo(5); optional fields vary in number.
const table = `22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
36 22 98:0 /mnt1 /mnt/parent rw,noatime master:1 - ext3 /dev/root rw,errors=continue
37 36 0:30 / /mnt/parent/with\\040space\\011tab\\134slash rw shared:3 master:2 - tmpfs none rw
38 22 8:2 / /data ro,relatime - xfs /dev/sdb rw
39 22 8:3 / /data rw - xfs /dev/sdc rw
garbage
`;

test("parseMounts() reads every line that makes sense, with its escapes", () => {
  const mounts = parseMounts(table);
  assert.equal(mounts.length, 5);
  assert.deepEqual(mounts[1], {
    mountPoint: "/mnt/parent",
    device: "98:0",
    root: "/mnt1",
    type: "ext3",
    readOnly: false,
  });
  assert.equal(mounts[2]?.mountPoint, "/mnt/parent/with space\ttab\\slash");
  assert.equal(mounts[3]?.readOnly, true);
});

test("mounts are found at, below and above a path, by whole names", () => {
  const mounts = parseMounts(table);
  const at = (path: string): string | undefined => mountOf(mounts, asByteString(path))?.device;
  assert.equal(isMountPoint(mounts, asByteString("/mnt/parent")), true);
  assert.equal(isMountPoint(mounts, asByteString("/mnt")), false);
  assert.equal(mountsBelow(mounts, asByteString("/mnt/parent")).length, 1);
  assert.equal(mountsBelow(mounts, asByteString("/mnt/par")).length, 0);
  assert.equal(mountsBelow(mounts, asByteString("/")).length, 4);
  assert.equal(at("/mnt/parent/x"), "98:0");
  assert.equal(at("/mnt/parental"), "8:1");
  assert.equal(at("/data/x"), "8:3");
});

test("loadMounts() knows this machine's root, and nothing where there is no table", () => {
  const mounts = loadMounts();
  if (process.platform === "linux") assert.equal(isMountPoint(mounts, asByteString("/")), true);
  assert.deepEqual(loadMounts("/nowhere"), []);
  assert.equal(typeof deviceOf(asByteString("/")), "bigint");
  assert.equal(deviceOf(asByteString("/nowhere/at/all")), undefined);
});
