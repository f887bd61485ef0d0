#!/bin/sh
# Runs a command where it may mount what it likes and nobody else sees it: as
# root in a mount namespace of its own, else also in a user namespace.
set -eu
if [ "$(id -u)" = 0 ]; then
  exec unshare --mount --propagation private -- "$@"
fi
exec unshare --map-root-user --mount --propagation private -- "$@"
