// The part of Redis' module API that locus uses: Redis ships no header that a distribution packages, and its
// functions are reached by name from the first pointer of the module context anyway. Types and numbers are
// those of the API's version 1 (Redis 7.0 and later, Valkey). `LoadRedisApi` says which function is missing,
// if one is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

struct RedisModuleCtx;
struct RedisModuleString;
struct RedisModuleCommand;
struct RedisModuleCallReply;
struct RedisModuleKey;
struct RedisModuleUser;
struct RedisModuleBlockedClient;
struct RedisModuleType;
struct RedisModuleIO;
struct RedisModuleInfoCtx;
struct RedisModuleCommandFilter;
struct RedisModuleCommandFilterCtx;

namespace locus::redis {

constexpr int kOk = 0;
constexpr int kApiVersion = 1;

using CommandHandler = int (*)(RedisModuleCtx*, RedisModuleString** argv, int argc);
using FreePrivateData = void (*)(RedisModuleCtx*, void*);
using DisconnectHandler = void (*)(RedisModuleCtx*, RedisModuleBlockedClient*);
using EventLoopHandler = void (*)(int fd, void* data, int mask);
using OneShotHandler = void (*)(void* data);
using UserChangedHandler = void (*)(uint64_t client_id, void* data);
using KeyspaceHandler = int (*)(RedisModuleCtx*, int type, const char* event, RedisModuleString* key);
using CommandFilter = void (*)(RedisModuleCommandFilterCtx*);
using InfoHandler = void (*)(RedisModuleInfoCtx*, int for_crash_report);

/// Which of Redis' states a context sees (`GetContextFlags`).
enum ContextFlags : int {
  kInScript = 1 << 0,
  kInTransaction = 1 << 1,
  kIsPrimary = 1 << 2,
  kIsCluster = 1 << 5,
  kAppendsToFile = 1 << 6,
  kIsReplicated = 1 << 12,  ///< the command came over the replication link
  kIsLoading = 1 << 13,
  kDeniesBlocking = 1 << 21,
};

struct ServerEvent {
  uint64_t id;
  uint64_t data_version;
};
constexpr ServerEvent kRoleChanged = {0, 1};
constexpr uint64_t kRoleNowPrimary = 0;
constexpr ServerEvent kFlushDb = {2, 1};
constexpr ServerEvent kSwapDb = {11, 1};
constexpr ServerEvent kLoading = {3, 1};
constexpr uint64_t kLoadingStartsRdb = 0;
constexpr uint64_t kLoadingStartsReplica = 2;
constexpr uint64_t kLoadingEnded = 3;
constexpr uint64_t kLoadingFailed = 4;
constexpr ServerEvent kConfigChange = {16, 1};
constexpr ServerEvent kEventLoop = {15, 1};
constexpr uint64_t kEventLoopBeforeSleep = 0;
constexpr ServerEvent kClientChange = {4, 1};
constexpr uint64_t kClientDisconnected = 1;
/// What comes with it; there is more behind.
struct ClientInfo {
  uint64_t version;
  uint64_t flags;
  uint64_t id;
};
using EventHandler = void (*)(RedisModuleCtx*, ServerEvent, uint64_t subevent, void* data);

constexpr int kEventLoopReadable = 1;
constexpr int kKeyRead = 1 << 0;
/// A look-up that counts as neither hit nor miss.
constexpr int kKeyWrite = 1 << 1;
/// What it is last used at stays as it was.
constexpr int kKeyUntouched = 1 << 16;
constexpr int kKeyTypeString = 1;
constexpr long long kNoExpire = -1;
constexpr int kReplyArray = 3;
/// Events of keys: all that tell of a change, from generic commands (1 << 2) to streams (1 << 10), those of
/// modules, and that a key is new.
constexpr int kNotifyChanges = ((1 << 11) - (1 << 2)) | 1 << 13 | 1 << 14;
/// Commands that the filter's own module calls do not pass it.
constexpr int kFilterNotOurs = 1 << 0;
/// The module checks `IsIOError` after loading instead of having Redis exit.
constexpr int kHandlesIoErrors = 1 << 0;
/// A key that was opened for writing and closed has not changed by that.
constexpr int kSignalsNothing = 1 << 1;
constexpr int kAuxBeforeKeys = 1 << 0;

/// A module data type: here only for what it saves beside the keys.
struct TypeMethods {
  uint64_t version = 4;
  void* (*load)(RedisModuleIO*, int) = nullptr;
  void (*save)(RedisModuleIO*, void*) = nullptr;
  void (*rewrite)(RedisModuleIO*, RedisModuleString*, void*) = nullptr;
  size_t (*memory)(const void*) = nullptr;
  void (*digest)(void*, void*) = nullptr;
  void (*free)(void*) = nullptr;
  int (*aux_load)(RedisModuleIO*, int encoding_version, int when) = nullptr;
  void (*aux_save)(RedisModuleIO*, int when) = nullptr;
  int aux_save_triggers = 0;
  void* further[8] = {};
  /// Since version 5 (Redis 7.2, Valkey), in place of `aux_save`: where it saves nothing, the RDB has no
  /// trace of it.
  void (*aux_save2)(RedisModuleIO*, int when) = nullptr;
  void* later[4] = {};
};
constexpr uint64_t kTypeMethodsWithAuxSave2 = 5;

/// Where a command's keys stand, for cluster routing and ACL.
struct KeySpec {
  const char* notes = nullptr;
  uint64_t flags = 0;
  int begin_search = 0;
  union {
    struct {
      int position;
    } index;
    struct {
      const char* keyword;
      int start_from;
    } keyword;
  } begin = {};
  int find_keys = 0;
  union {
    struct {
      int last_key, key_step, limit;
    } range;
    struct {
      int count_index, first_key, key_step;
    } counted;
  } find = {};
};
constexpr uint64_t kKeySpecReadWrite = 1 << 1;
constexpr int kBeginSearchIndex = 2;
constexpr int kFindKeysCounted = 3;

struct CommandInfoVersion {
  int version;
  size_t history_bytes, key_spec_bytes, argument_bytes;
};
/// The last two are the sizes of structures that are not used here; Redis steps by them only through given
/// arrays.
constexpr CommandInfoVersion kCommandInfoVersion = {1, 2 * sizeof(void*), sizeof(KeySpec), 9 * sizeof(void*)};

struct CommandInfo {
  const CommandInfoVersion* version = &kCommandInfoVersion;
  const char* summary = nullptr;
  const char* complexity = nullptr;
  const char* since = nullptr;
  void* history = nullptr;
  const char* tips = nullptr;
  int arity = 0;
  KeySpec* key_specs = nullptr;
  void* arguments = nullptr;
};

// clang-format off
/// Every function of the API that is used: result, name, parameters.
#define LOCUS_REDIS_FUNCTIONS(F)                                                                                   \
  /* The module and its commands. */                                                                               \
  F(void, SetModuleAttribs, (RedisModuleCtx*, const char* name, int version, int api_version))                     \
  F(int, IsModuleNameBusy, (const char* name))                                                                     \
  F(void, SetModuleOptions, (RedisModuleCtx*, int options))                                                        \
  F(int, CreateCommand, (RedisModuleCtx*, const char* name, CommandHandler, const char* flags, int first_key,      \
                         int last_key, int key_step))                                                              \
  F(RedisModuleCommand*, GetCommand, (RedisModuleCtx*, const char* name))                                          \
  F(int, CreateSubcommand, (RedisModuleCommand* parent, const char* name, CommandHandler, const char* flags,       \
                            int first_key, int last_key, int key_step))                                            \
  F(int, SetCommandInfo, (RedisModuleCommand*, const CommandInfo*))                                                \
  F(int, IsKeysPositionRequest, (RedisModuleCtx*))                                                                 \
  F(void, KeyAtPos, (RedisModuleCtx*, int position))                                                               \
  F(int, WrongArity, (RedisModuleCtx*))                                                                            \
  F(int, GetContextFlags, (RedisModuleCtx*))                                                                       \
  F(int, SubscribeToServerEvent, (RedisModuleCtx*, ServerEvent, EventHandler))                                     \
  F(int, EventLoopAdd, (int fd, int mask, EventLoopHandler, void* data))                                           \
  F(int, EventLoopAddOneShot, (OneShotHandler, void* data))                                                        \
  F(void, Log, (RedisModuleCtx*, const char* level, const char* format, ...))                                      \
  F(int, RegisterInfoFunc, (RedisModuleCtx*, InfoHandler))                                                         \
  F(int, InfoAddSection, (RedisModuleInfoCtx*, const char* name))                                                  \
  F(int, InfoAddFieldCString, (RedisModuleInfoCtx*, const char* field, const char* value))                         \
  /* Strings. */                                                                                                   \
  F(RedisModuleString*, CreateString, (RedisModuleCtx*, const char* bytes, size_t length))                         \
  F(void, FreeString, (RedisModuleCtx*, RedisModuleString*))                                                       \
  F(const char*, StringPtrLen, (const RedisModuleString*, size_t* length))                                         \
  /* Replies. */                                                                                                   \
  F(int, ReplyWithError, (RedisModuleCtx*, const char* message))                                                   \
  F(int, ReplyWithSimpleString, (RedisModuleCtx*, const char* text))                                               \
  F(int, ReplyWithStringBuffer, (RedisModuleCtx*, const char* bytes, size_t length))                               \
  F(int, ReplyWithLongLong, (RedisModuleCtx*, long long))                                                          \
  F(int, ReplyWithArray, (RedisModuleCtx*, long length))                                                           \
  /* Clients. */                                                                                                   \
  F(RedisModuleBlockedClient*, BlockClient, (RedisModuleCtx*, CommandHandler reply, CommandHandler timeout,        \
                                             FreePrivateData, long long timeout_ms))                               \
  F(void, SetDisconnectCallback, (RedisModuleBlockedClient*, DisconnectHandler))                                   \
  F(int, UnblockClient, (RedisModuleBlockedClient*, void* private_data))                                           \
  F(int, AbortBlock, (RedisModuleBlockedClient*))                                                                  \
  F(void*, GetBlockedClientPrivateData, (RedisModuleCtx*))                                                         \
  F(RedisModuleBlockedClient*, GetBlockedClientHandle, (RedisModuleCtx*))                                          \
  F(uint64_t, GetClientId, (RedisModuleCtx*))                                                                      \
  F(int, DeauthenticateAndCloseClient, (RedisModuleCtx*, uint64_t client_id))                                      \
  F(RedisModuleString*, GetCurrentUserName, (RedisModuleCtx*))                                                     \
  F(int, AuthenticateClientWithACLUser, (RedisModuleCtx*, const char* name, size_t length, UserChangedHandler,     \
                                         void* data, uint64_t* client_id))                                         \
  F(int, GetSelectedDb, (RedisModuleCtx*))                                                                         \
  /* The keyspace. */                                                                                              \
  F(RedisModuleCtx*, GetDetachedThreadSafeContext, (RedisModuleCtx*))                                              \
  F(int, ThreadSafeContextTryLock, (RedisModuleCtx*))                                                              \
  F(void, ThreadSafeContextUnlock, (RedisModuleCtx*))                                                              \
  F(int, SelectDb, (RedisModuleCtx*, int db))                                                                      \
  F(RedisModuleUser*, GetModuleUserFromUserName, (RedisModuleString* name))                                        \
  F(int, FreeModuleUser, (RedisModuleUser*))                                                                       \
  F(void, SetContextUser, (RedisModuleCtx*, const RedisModuleUser*))                                               \
  F(RedisModuleString*, GetModuleUserACLString, (RedisModuleUser*))                                                \
  F(int, ACLCheckCommandPermissions, (RedisModuleUser*, RedisModuleString** argv, int argc))                       \
  F(float, GetUsedMemoryRatio, ())                                                                                 \
  F(int, AvoidReplicaTraffic, ())                                                                                  \
  F(RedisModuleCallReply*, Call, (RedisModuleCtx*, const char* command, const char* format, ...))                  \
  F(const char*, CallReplyProto, (RedisModuleCallReply*, size_t* length))                                          \
  F(const char*, CallReplyStringPtr, (RedisModuleCallReply*, size_t* length))                                      \
  F(int, CallReplyType, (RedisModuleCallReply*))                                                                   \
  F(RedisModuleCallReply*, CallReplyArrayElement, (RedisModuleCallReply*, size_t index))                           \
  F(void, FreeCallReply, (RedisModuleCallReply*))                                                                  \
  F(RedisModuleKey*, OpenKey, (RedisModuleCtx*, RedisModuleString* name, int mode))                                \
  F(void, CloseKey, (RedisModuleKey*))                                                                             \
  F(int, KeyType, (RedisModuleKey*))                                                                               \
  F(size_t, ValueLength, (RedisModuleKey*))                                                                        \
  F(char*, StringDMA, (RedisModuleKey*, size_t* length, int mode))                                                 \
  F(long long, GetExpire, (RedisModuleKey*))                                                                       \
  F(int, SubscribeToKeyspaceEvents, (RedisModuleCtx*, int types, KeyspaceHandler))                                 \
  F(RedisModuleCommandFilter*, RegisterCommandFilter, (RedisModuleCtx*, CommandFilter, int flags))                 \
  F(int, CommandFilterArgsCount, (RedisModuleCommandFilterCtx*))                                                   \
  F(RedisModuleString*, CommandFilterArgGet, (RedisModuleCommandFilterCtx*, int position))                         \
  F(int, Replicate, (RedisModuleCtx*, const char* command, const char* format, ...))                               \
  F(int, ReplicateVerbatim, (RedisModuleCtx*))                                                                     \
  F(int, PublishMessage, (RedisModuleCtx*, RedisModuleString* channel, RedisModuleString* message))                \
  /* The RDB. */                                                                                                   \
  F(int, GetTypeMethodVersion, ())                                                                                 \
  F(RedisModuleType*, CreateDataType, (RedisModuleCtx*, const char* name, int encoding_version, TypeMethods*))     \
  F(void, SaveUnsigned, (RedisModuleIO*, uint64_t))                                                                \
  F(uint64_t, LoadUnsigned, (RedisModuleIO*))                                                                      \
  F(void, SaveStringBuffer, (RedisModuleIO*, const char* bytes, size_t length))                                    \
  F(RedisModuleString*, LoadString, (RedisModuleIO*))                                                              \
  F(int, IsIOError, (RedisModuleIO*))                                                                              \
  F(void, LogIOError, (RedisModuleIO*, const char* level, const char* format, ...))
// clang-format on

#define LOCUS_DECLARE(result, name, parameters) extern result(*name) parameters;
LOCUS_REDIS_FUNCTIONS(LOCUS_DECLARE)
#undef LOCUS_DECLARE

/// Resolves all of them. Empty, or the names of those that this server does not have.
std::string LoadRedisApi(RedisModuleCtx* context);

}  // namespace locus::redis
