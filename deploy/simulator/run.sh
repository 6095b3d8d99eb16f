#!/bin/sh
# What starts the simulator in the 2023 contest's way. Arguments: data sets below LOCUS_DATA_DIR.
exec node /opt/locus/scheduler/main-simulator.ts "$@"
