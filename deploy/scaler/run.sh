#!/bin/sh
# What starts a scaler in the 2023 contest's way: it is there when its port is, waits for the simulator's, and ends when that closes, or when the
# scaler has ended before, with failure. The contest's own run.sh does the same and may take this one's place.
set -u
./scaler &
scaler=$!

waitUnlessItEnds() {
  kill -0 "$scaler" 2>/dev/null || exit 1
  sleep 1
}
until nc -z 127.0.0.1 9001; do waitUnlessItEnds; done
until nc -z 127.0.0.1 9000; do waitUnlessItEnds; done
while nc -z 127.0.0.1 9000; do waitUnlessItEnds; done

kill "$scaler"
wait "$scaler"
exit 0
