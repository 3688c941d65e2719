// @title@
//
// Opens a user-mode driver and makes the calls below, as a player would. It stops at the first answer that is
// not the expected one, and says which.
//
//     g++ -std=c++17 -g reproducer.cpp -o reproducer -ldl
//     ./reproducer path/to/the/driver.so        # ends with 0 if all is as expected, with 3 if not
//     gdb --args ./reproducer path/to/the/driver.so
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <vector>
#include <dlfcn.h>

// ---- The interface, as far as it is needed; order and sizes are those of d3dumddi.h. ----

#if @windows@
#define APIENTRY __attribute__((ms_abi))
#else
#define APIENTRY
#endif

using Handle = void *;
using Bytes = std::vector<std::uint8_t>;
[[maybe_unused]] static const Bytes no_bytes; // the address of none is null

struct Guid { std::uint32_t a; std::uint16_t b, c; std::uint8_t d[8]; };
struct OpenAdapterArgs { Handle adapter; std::uint32_t interface_, version; const void *callbacks; void **functions; std::uint32_t driver_version; };
struct CreateDeviceArgs {
    Handle device; std::uint32_t interface_, version; const void *callbacks;
    void *commands; std::uint32_t commands_size; void *allocations; std::uint32_t allocations_size;
    void *patches; std::uint32_t patches_size; void **functions; std::uint32_t flags; std::uint64_t address;
};
struct CapsQuery { Guid crypto, profile; };
struct GetCapsArgs { std::uint32_t type; void *query, *data; std::uint32_t size; };
struct CreateSessionArgs { Guid crypto, profile; Handle session; };
struct KeyExchangeArgs { Handle session; std::uint32_t size; void *data; };
struct SessionArgs { Handle session; };
struct StartArgs { Handle session; void *random; std::uint32_t size; };
struct ReadBackKeyArgs { Handle session; void *key; std::uint32_t size; };
struct Iv { std::uint8_t iv[8], count[8]; };
struct BltArgs {
    Handle session, source; std::uint32_t source_index; Handle target; std::uint32_t target_index, source_size;
    void *blocks, *content_key, *iv;
};
struct EncryptArgs {
    Handle session, source; std::uint32_t source_index; Handle target; std::uint32_t target_index, target_size; void *iv;
};
struct Surface { std::uint32_t width, height, depth; const void *memory; std::uint32_t pitch, slice; };
struct ResourceArgs {
    std::uint32_t format, pool, samples, quality; const Surface *surfaces; std::uint32_t count, levels, fvf, source;
    std::uint32_t rate[2]; Handle resource; std::uint32_t flags, rotation, flags2, padding;
};
struct LockArgs { Handle resource; std::uint32_t index, region[6]; void *data; std::uint32_t pitch, slice, flags; };
struct UnlockArgs { Handle resource; std::uint32_t index, flags; };
struct ContextArgs {
    std::uint32_t node, engines, flags; void *own; std::uint32_t own_size; Handle context; void *commands;
    std::uint32_t commands_size; void *allocations; std::uint32_t allocations_size; void *patches;
    std::uint32_t patches_size; std::uint64_t address;
};

// Places in the device table.
enum Entry {
    lock = 35, unlock = 36, create_resource = 37, destroy_resource = 38, flush = 41, destroy_device = 91,
    create_session = 111, key_exchange = 112, destroy_session = 113, encryption_blt = 114, start = 116, finish = 117,
    read_back_key = 118, decryption_blt = 119, create_resource2 = 128, flush1 = 132
};

// ---- What the driver may call: a context with real memory; everything else is not there. ----

static std::uint64_t commands[8192], allocations[1024], patches[1024];

static std::int32_t APIENTRY other(Handle, void *) { return static_cast<std::int32_t>(0x80004001); }
// While a device is taken away, whoever submits commands hears D3DDDIERR_DEVICEREMOVED.
static bool is_removing, has_heard;
static std::int32_t APIENTRY render(Handle, void *) {
    has_heard = is_removing;
    return is_removing ? static_cast<std::int32_t>(0x88760870) : 0;
}
static std::int32_t APIENTRY create_context(Handle, ContextArgs *args) {
    args->context = commands;
    args->commands = commands;
    args->commands_size = sizeof commands;
    args->allocations = allocations;
    args->allocations_size = 256;
    args->patches = patches;
    args->patches_size = 256;
    args->address = 0;
    return 0;
}

// ---- The player's AES-128, one block at a time. ----

static std::uint8_t times_x(std::uint8_t a) { return static_cast<std::uint8_t>(a << 1 ^ (a >> 7) * 0x1B); }

static std::uint8_t s_box(std::uint8_t a) {
    // The inverse is a to the 254th power.
    auto times = [](std::uint8_t x, std::uint8_t y) {
        std::uint8_t product = 0;
        for (; y; y >>= 1, x = times_x(x)) if (y & 1) product ^= x;
        return product;
    };
    std::uint8_t inverse = 1;
    for (int i = 0; i < 254; ++i) inverse = times(inverse, a);
    std::uint8_t out = 0x63;
    for (int i = 0; i < 5; ++i) out ^= static_cast<std::uint8_t>(inverse << i | inverse >> (8 - i));
    return out;
}

static void next_round_key(std::uint8_t *key, std::uint8_t *constant) {
    for (int i = 0; i < 4; ++i) key[i] ^= s_box(key[12 + (i + 1) % 4]);
    key[0] ^= *constant;
    *constant = times_x(*constant);
    for (int i = 4; i < 16; ++i) key[i] ^= key[i - 4];
}

static void encrypt(const std::uint8_t *key, std::uint8_t *block) {
    std::uint8_t round_key[16], constant = 1;
    std::memcpy(round_key, key, 16);
    for (int i = 0; i < 16; ++i) block[i] ^= round_key[i];
    for (int round = 1; round <= 10; ++round) {
        std::uint8_t next[16];
        for (int i = 0; i < 16; ++i) next[i] = s_box(block[(i + 4 * (i % 4)) % 16]);
        for (int column = 0; column < 4; ++column) {
            std::uint8_t *c = next + 4 * column, all = c[0] ^ c[1] ^ c[2] ^ c[3], first = c[0];
            if (round < 10)
                for (int i = 0; i < 4; ++i) c[i] ^= all ^ times_x(c[i] ^ (i < 3 ? c[i + 1] : first));
        }
        next_round_key(round_key, &constant);
        for (int i = 0; i < 16; ++i) block[i] = next[i] ^ round_key[i];
    }
}

static void big_endian(std::uint64_t number, std::uint8_t *out) {
    for (int i = 0; i < 8; ++i) out[i] = static_cast<std::uint8_t>(number >> (56 - 8 * i));
}

[[maybe_unused]] static std::uint64_t number_of(const std::uint8_t *bytes) {
    std::uint64_t number = 0;
    for (int i = 0; i < 8; ++i) number = number << 8 | bytes[i];
    return number;
}

[[maybe_unused]] static void counter_mode(const std::uint8_t *key, std::uint64_t iv, std::uint64_t count, std::uint8_t *bytes, std::uint32_t len) {
    for (std::uint32_t at = 0; at < len; at += 16) {
        std::uint8_t block[16];
        big_endian(iv, block);
        big_endian(count + at / 16, block + 8);
        encrypt(key, block);
        for (std::uint32_t i = at; i < len && i < at + 16; ++i) bytes[i] ^= block[i - at];
    }
}

@leftovers@
// ---- The player. ----

enum Answer { any, served, refused };

struct Session { std::size_t device; Handle handle; std::uint8_t key[16], random[16], wrapped[16]; bool is_keyed, is_pending, is_alive; };
struct Upload {
    int call; std::size_t device, session; Handle surface, source; Bytes due; std::uint8_t *memory, key[16];
    std::uint32_t room; bool is_taken, is_unseen; Bytes came; bool is_lost;
};
struct Device { Handle handle; void *functions[256]; };

static std::vector<Device> devices;
static std::vector<Session> sessions;
static std::deque<Upload> uploads;

// Surfaces are read by EncryptionBlt, and decrypted under the key in force, or by Lock.
constexpr bool reads_encrypted = @encrypted@;
// Whether counters may restart with a new key, and whether uploads and read-backs have a row of counters each.
constexpr bool restarts = @restarts@, two_rows = @two_rows@;

struct Used { std::size_t session; std::uint8_t key[16]; std::uint64_t iv, count, blocks; bool is_read_back; };
static std::vector<Used> used;
static void *adapter_callbacks[2], *device_callbacks[22], *adapter_functions[3];
static Handle adapter;
static void *library;

[[noreturn]] static void wrong(int call, const char *what) {
    std::printf("\ncall %d: %s\n", call, what);
    std::exit(3);
}

// What is printed is there, even if the call takes the process along.
static void say(int call, const char *text) {
    std::printf("call %d: %s", call, text);
    std::fflush(stdout);
}

#if @looks@
static bool is_live(const std::uint8_t *secret) {
    for (const Session &session : sessions) {
        if (session.is_keyed && !std::memcmp(session.key, secret, 16)) return true;
        if (session.is_pending && !std::memcmp(session.random, secret, 16)) return true;
    }
    for (const Upload &upload : uploads) if (!std::memcmp(upload.key, secret, 16)) return true;
    return false;
}

static void learn_key(const std::uint8_t *key) {
    std::uint8_t round_key[16], constant = 1;
    std::memcpy(round_key, key, 16);
    learn(key, key);
    for (int round = 1; round <= 10; ++round) {
        next_round_key(round_key, &constant);
        learn(round_key, key);
    }
}

static void look_around(int call) {
    for (std::size_t i = 0; i < block_count && !found; ++i)
        if (holds_secret(blocks[i].start, blocks[i].len, false)) found = "keeps bytes of a dead secret in a block";
    if (!found) dl_iterate_phdr(look_at_statics, nullptr);
    if (found) wrong(call, found);
}
#else
static void learn(const std::uint8_t *, const std::uint8_t *) {}
static void learn_key(const std::uint8_t *) {}
static void look_around(int) {}
#endif

static void compare(int call, std::int32_t code, Answer expected) {
    std::printf(" -> 0x%08X\n", static_cast<unsigned>(code));
    if (expected == served && code != 0) wrong(call, "was refused, and had to be served");
    if (expected == refused && code == 0) wrong(call, "was served, and had to be refused");
    look_around(call);
}

template <typename... Arguments>
static std::int32_t enter(void *function, Arguments... arguments) {
    if (!function) { std::printf("the driver does not offer an entry that this needs\n"); std::exit(2); }
#if @looks@
    std::int32_t code = 0;
    auto call = [&] {
        CLEAR_REGISTERS();
        code = reinterpret_cast<std::int32_t(APIENTRY *)(Arguments...)>(function)(arguments...);
        READ_REGISTERS();
    };
    on_a_painted_stack(call);
    return code;
#else
    return reinterpret_cast<std::int32_t(APIENTRY *)(Arguments...)>(function)(arguments...);
#endif
}

static void open_adapter(const char *path) {
    library = dlopen(path, RTLD_NOW);
    void *open = library ? dlsym(library, "OpenAdapter") : nullptr;
    if (!open) { std::printf("%s: %s\n", path, dlerror()); std::exit(2); }
@library@    for (void *&callback : adapter_callbacks) callback = reinterpret_cast<void *>(other);
    for (void *&callback : device_callbacks) callback = reinterpret_cast<void *>(other);
    device_callbacks[6] = reinterpret_cast<void *>(render);
    device_callbacks[14] = reinterpret_cast<void *>(create_context);
    device_callbacks[15] = reinterpret_cast<void *>(render);
    OpenAdapterArgs args{&adapter, 9, 0x2003, adapter_callbacks, adapter_functions, 0};
    const std::int32_t code = enter(open, &args);
    if (code != 0) { std::printf("OpenAdapter answered 0x%08X\n", static_cast<unsigned>(code)); std::exit(2); }
    adapter = args.adapter;
}

[[maybe_unused]] static void call_capabilities(int call, Guid crypto, Guid profile, std::uint32_t size, Answer expected) {
    CapsQuery query{crypto, profile};
    Bytes buffer(size + 32, 0xE7);
    GetCapsArgs args{42, &query, buffer.data(), size};
    const std::int32_t code = enter(adapter_functions[0], adapter, &args);
    for (std::size_t i = size < 40 ? size : 40; i < buffer.size(); ++i)
        if (buffer[i] != 0xE7) wrong(call, "wrote more than its capabilities");
    if (code == 0 && size == 40) {
        std::uint32_t bits, alignment;
        std::memcpy(&bits, buffer.data(), 4);
        std::memcpy(&alignment, buffer.data() + 24, 4);
        if (!@has_read_back_keys@ && (bits & 0x80)) wrong(call, "said that read-back keys can be made");
        if (!@may_hide@ && !(bits & 0x20)) wrong(call, "did not say that the session key can be refreshed");
        if (!@may_hide@ && @has_read_back_keys@ && !(bits & 0x80)) wrong(call, "did not say that read-back keys can be made");
        if (!@may_hide@ && !(bits & 3)) wrong(call, "did not say whether the driver or the GPU does the cryptography");
        if ((alignment ? alignment : 1) != @alignment@) wrong(call, "said another granularity of buffers than it takes");
    }
    compare(call, code, expected);
}

[[maybe_unused]] static void call_create_device(int call, Answer expected) {
    devices.emplace_back();
    Device &device = devices.back();
    CreateDeviceArgs args{};
    args.device = &devices;
    args.interface_ = 9;
    args.version = 0x2003;
    args.callbacks = device_callbacks;
    args.functions = device.functions;
    const std::int32_t code = enter(adapter_functions[1], adapter, &args);
    device.handle = args.device;
    compare(call, code, expected);
}

[[maybe_unused]] static void call_create_session(int call, std::size_t on, Guid crypto, Guid profile, Answer expected) {
    CreateSessionArgs args{crypto, profile, nullptr};
    const std::int32_t code = enter(devices[on].functions[create_session], devices[on].handle, &args);
    sessions.push_back({on, args.session, {}, {}, {}, false, false, code == 0});
    compare(call, code, expected);
}

[[maybe_unused]] static void call_exchange_key(int call, std::size_t on, const std::uint8_t *key, Bytes wrapped, std::uint32_t claimed, Answer expected) {
    Session &session = sessions[on];
    Device &device = devices[session.device];
    KeyExchangeArgs args{session.handle, claimed, wrapped.data()};
    learn_key(key);
    const std::int32_t code = enter(device.functions[key_exchange], device.handle, &args);
    if (code == 0) {
        std::memcpy(session.key, key, 16);
        session.is_keyed = true;
        session.is_pending = false;
    }
    compare(call, code, expected);
}

[[maybe_unused]] static void call_start_refresh(int call, std::size_t on, std::uint32_t size, Answer expected) {
    Session &session = sessions[on];
    Device &device = devices[session.device];
    Bytes buffer(size + 32, 0xE7);
    StartArgs args{session.handle, buffer.data(), size};
    const std::int32_t code = enter(device.functions[start], device.handle, &args);
    for (std::size_t i = size < 16 ? size : 16; i < buffer.size(); ++i)
        if (buffer[i] != 0xE7) wrong(call, "wrote more than a random number of sixteen bytes");
    if (code == 0 && std::memcmp(session.random, buffer.data(), 16) == 0)
        wrong(call, "handed out zeros, or the random number of the last refresh again");
    if (code == 0) {
        std::memcpy(session.random, buffer.data(), 16);
        session.is_pending = true;
        learn(session.random, session.random);
    }
    compare(call, code, expected);
}

[[maybe_unused]] static void call_encryption_blt_key(int call, std::size_t on, std::uint32_t size, Answer expected) {
    Session &session = sessions[on];
    Device &device = devices[session.device];
    Bytes buffer(size + 32, 0xE7);
    ReadBackKeyArgs args{session.handle, buffer.data(), size};
    const std::int32_t code = enter(device.functions[read_back_key], device.handle, &args);
    for (std::size_t i = size < 16 ? size : 16; i < buffer.size(); ++i)
        if (buffer[i] != 0xE7) wrong(call, "wrote more than a wrapped key of sixteen bytes");
    if (code == 0) {
        std::uint8_t zeros[16] = {}, random[16];
        std::memcpy(random, session.random, 16);
        encrypt(session.key, zeros);
        encrypt(session.key, random);
        if (std::memcmp(zeros, buffer.data(), 16) == 0) wrong(call, "wrapped a read-back key of zeros");
        if (std::memcmp(random, buffer.data(), 16) == 0) wrong(call, "wrapped the random number of the last refresh");
        if (std::memcmp(session.wrapped, buffer.data(), 16) == 0) wrong(call, "handed out the same wrapped key again");
        std::memcpy(session.wrapped, buffer.data(), 16);
    }
    compare(call, code, expected);
}

[[maybe_unused]] static void call_finish_refresh(int call, std::size_t on, Answer expected) {
    Session &session = sessions[on];
    Device &device = devices[session.device];
    SessionArgs args{session.handle};
    std::uint8_t updated[16];
    for (int i = 0; i < 16; ++i) updated[i] = session.key[i] ^ session.random[i];
    if (session.is_pending) learn_key(updated);
    const std::int32_t code = enter(device.functions[finish], device.handle, &args);
    if (code == 0) {
        std::memcpy(session.key, updated, 16);
        session.is_pending = false;
    }
    compare(call, code, expected);
}

[[maybe_unused]] static Handle resource(Device &device, std::uint32_t pool, std::uint32_t flags, void *memory, std::uint32_t len) {
    Surface surface{len, 1, 1, memory, memory ? len : 0, 0};
    ResourceArgs args{};
    args.format = 50;
    args.pool = pool;
    args.surfaces = &surface;
    args.count = args.levels = 1;
    args.resource = &devices;
    args.flags = flags;
    void *create = device.functions[create_resource] ? device.functions[create_resource]
                                                     : device.functions[create_resource2];
    if (enter(create, device.handle, &args) != 0) { std::printf("a resource cannot be made\n"); std::exit(2); }
    return args.resource;
}

// Both directions make keystream of one key: a block of it is used once, and counters only rise.
static void use_counters(int call, std::size_t on, std::uint64_t iv, std::uint64_t count, std::uint64_t blocks, bool is_read_back) {
    Used now{on, {}, iv, count, blocks, is_read_back};
    std::memcpy(now.key, sessions[on].key, 16);
    for (const Used &before : used) {
        if (before.session != on || !(is_read_back || before.is_read_back)) continue;
        const bool is_same_key = !std::memcmp(before.key, now.key, 16);
        const bool meets = before.iv == iv && (count - before.count < before.blocks || before.count - count < blocks);
        if (is_same_key && meets) wrong(call, "a counter block was used twice under one key");
        const bool rises = iv > before.iv || (iv == before.iv && count > before.count + before.blocks - 1);
        if (!two_rows && (is_same_key || !restarts) && !rises) wrong(call, "the counters of uploads and read-backs do not rise");
    }
    used.push_back(now);
}

[[maybe_unused]] static void call_submit_buffer(int call, std::size_t on, std::uint64_t iv, std::uint64_t count, std::uint32_t len, Answer expected) {
    Session &session = sessions[on];
    Device &device = devices[session.device];
    const std::uint32_t room = len < 16 ? 16 : len;
    Bytes text(len);
    for (std::uint32_t i = 0; i < len; ++i) text[i] = static_cast<std::uint8_t>(call * 89 + i * 7 + i / 256);
    auto *memory = static_cast<std::uint8_t *>(std::aligned_alloc(16, (room + 15) / 16 * 16));
    std::memcpy(memory, text.data(), len);
    counter_mode(session.key, iv, count, memory, len);
    Handle source = resource(device, 1, 0, memory, room);
    Handle surface = resource(device, 2, 1u << 30, nullptr, room);
    Iv counter;
    big_endian(iv, counter.iv);
    big_endian(count, counter.count);
    BltArgs args{session.handle, source, 0, surface, 0, len, nullptr, nullptr, &counter};
    const std::int32_t code = enter(device.functions[decryption_blt], device.handle, &args);
    if (code == 0) {
        uploads.push_back({call, session.device, on, surface, source, text, memory, {}, room, false, false, {}, false});
        std::memcpy(uploads.back().key, session.key, 16);
        if (reads_encrypted) use_counters(call, on, iv, count, (len + 15) / 16, false);
    }
    std::memset(&counter, 0, sizeof counter);
    compare(call, code, expected);
}

[[maybe_unused]] static void take_encrypted(int call, Upload &upload) {
    Device &device = devices[upload.device];
    const Session &session = sessions[upload.session];
    auto *memory = static_cast<std::uint8_t *>(std::aligned_alloc(16, (upload.room + 15) / 16 * 16));
    Handle target = resource(device, 1, 0, memory, upload.room);
    Iv counter{};
    EncryptArgs args{session.handle, upload.surface, 0, target, 0, upload.room, &counter};
    const std::int32_t code = enter(device.functions[encryption_blt], device.handle, &args);
    if (code == 0) {
        const std::uint64_t iv = number_of(counter.iv), count = number_of(counter.count);
        use_counters(call, upload.session, iv, count, (upload.room + 15) / 16, true);
        counter_mode(session.key, iv, count, memory, upload.room);
        std::memcpy(upload.came.data(), memory, upload.came.size());
    } else {
        // Behind the last IV there is none.
        for (const Used &before : used) upload.is_unseen |= before.session == upload.session && before.iv == ~0ull;
        if (!upload.is_unseen) wrong(call, "the surface cannot be read by EncryptionBlt");
    }
    enter(device.functions[destroy_resource], device.handle, target);
    std::free(memory);
}

[[maybe_unused]] static void take_by_lock(int call, Upload &upload) {
    Device &device = devices[upload.device];
    LockArgs args{};
    args.resource = upload.surface;
    args.flags = 1;
    if (enter(device.functions[lock], device.handle, &args) != 0) wrong(call, "the surface cannot be locked");
    std::memcpy(upload.came.data(), args.data, upload.came.size());
    UnlockArgs done{upload.surface, 0, 0};
    enter(device.functions[unlock], device.handle, &done);
}

// Takes the bytes out of the surface, and gives the resources back.
static void take(int call, Upload &upload) {
    if (upload.is_taken) return;
    upload.is_taken = true;
    upload.came.resize(upload.due.size());
    if (upload.is_lost) upload.is_unseen = true;
    else if (reads_encrypted && sessions[upload.session].is_alive) take_encrypted(call, upload);
    else take_by_lock(call, upload);
    Device &device = devices[upload.device];
    enter(device.functions[destroy_resource], device.handle, upload.surface);
    enter(device.functions[destroy_resource], device.handle, upload.source);
    std::free(upload.memory);
}

static void call_retire(int call, std::uint32_t at_most) {
    for (; at_most > 0 && !uploads.empty(); --at_most) {
        Upload upload = uploads.front();
        uploads.pop_front();
        take(call, upload);
        for (std::size_t i = 0; i < upload.due.size() && !upload.is_unseen; ++i)
            if (upload.came[i] != upload.due[i]) {
                std::printf("\nthe buffer of call %d came back wrong from byte %zu on", upload.call, i);
                wrong(call, "a buffer was not processed under the key of the moment of its submission, or read under another");
            }
    }
    look_around(call);
}

[[maybe_unused]] static void call_reset_engine(int call, const char *hook) {
    std::printf("\n");
    for (std::size_t on = 0; on < devices.size(); ++on) {
        Device &device = devices[on];
        if (!device.handle) continue;
        has_heard = false;
        if (hook) {
            has_heard = enter(dlsym(library, hook), device.handle) == 0;
        } else {
            is_removing = true;
            if (device.functions[flush]) enter(device.functions[flush], device.handle);
            else enter(device.functions[flush1], device.handle, 0u);
            is_removing = false;
        }
        // A device that had nothing to submit has not heard of it, and goes on.
        if (!has_heard) continue;
        for (Session &session : sessions)
            if (session.device == on) session.is_keyed = session.is_pending = false;
        for (Upload &upload : uploads)
            if (upload.device == on) { upload.is_lost = true; std::memset(upload.key, 0, 16); }
    }
    look_around(call);
}

[[maybe_unused]] static void call_destroy_session(int call, std::size_t on, Answer expected) {
    Session &session = sessions[on];
    Device &device = devices[session.device];
    // Nobody reads for a session that has ended.
    for (Upload &upload : uploads)
        if (reads_encrypted && upload.session == on) take(call, upload);
    SessionArgs args{session.handle};
    const std::int32_t code = enter(device.functions[destroy_session], device.handle, &args);
    if (code == 0) session.is_keyed = session.is_pending = session.is_alive = false;
    compare(call, code, expected);
}

static void call_destroy_device(int call, std::size_t on, Answer expected) {
    call_retire(call, ~0u);
    const std::int32_t code = enter(devices[on].functions[destroy_device], devices[on].handle);
    if (code == 0) devices[on].handle = nullptr;
    for (Session &session : sessions)
        if (code == 0 && session.device == on) session.is_keyed = session.is_pending = session.is_alive = false;
    compare(call, code, expected);
}

int main(int argc, char **argv) {
    if (argc != 2) { std::printf("which driver?\n"); return 2; }
    devices.reserve(4096);
    open_adapter(argv[1]);
@calls@
    // What every player does at the end.
    say(@end@, "retire everything\n");
    call_retire(@end@, ~0u);
    for (std::size_t i = 0; i < devices.size(); ++i) {
        if (!devices[i].handle) continue;
        say(@end@, "destroy-device");
        call_destroy_device(@end@, i, any);
    }
    say(@end@, "CloseAdapter");
    compare(@end@, enter(adapter_functions[2], adapter), any);
    std::printf("all as expected\n");
    return 0;
}
