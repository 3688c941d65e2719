// The objects of the driver: adapters, devices, crypto sessions, resources and queued work.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "secret.h"

namespace vendor {

// ---- Constants of this driver and GUIDs of the interface ----

constexpr UINT block_len = 16;
constexpr UINT buffer_alignment = 16;
constexpr std::size_t sessions_max = 64;
constexpr std::size_t jobs_max = 16;
constexpr std::size_t epochs_max = 64;
constexpr std::uint64_t resource_len_max = 16u << 20;
constexpr std::uint64_t video_memory_len = 64u << 20;

constexpr GUID null_guid = {0, 0, 0, {0, 0, 0, 0, 0, 0, 0, 0}};
constexpr GUID aes128_ctr = {
    0x9B6BD711, 0x4F74, 0x41C9, {0x9E, 0x7B, 0x0B, 0xE2, 0xD7, 0xD9, 0x3B, 0x4F}};
// The vendor's own key exchange: "VKX1", the number 16, the key, a checksum; numbers little-endian.
constexpr GUID vendor_key_exchange = {
    0x6D1F3A52, 0x8C0B, 0x4E77, {0xA1, 0x5E, 0x56, 0x4B, 0x58, 0x31, 0x00, 0x01}};

constexpr GUID rsaes_oaep_key_exchange = {
    0xC1949895, 0xD72A, 0x4A1D, {0x8E, 0x5D, 0xED, 0x85, 0x7D, 0x17, 0x15, 0x20}};
// The same with a sealed key: "VKX2", a mark, the key under it.
constexpr GUID sealed_key_exchange = {
    0x6D1F3A52, 0x8C0B, 0x4E77, {0xA1, 0x5E, 0x56, 0x4B, 0x58, 0x32, 0x00, 0x01}};

inline bool same(const GUID &a, const GUID &b) {
    return std::memcmp(&a, &b, sizeof a) == 0;
}

inline bool failed(HRESULT code) {
    return code < 0;
}

// ---- Cipher and entropy ----

// A counter block as two numbers; in memory both are big-endian.
struct Counter {
    std::uint64_t iv = 0, count = 0;

    static Counter read(const VOID *from);
    void write(VOID *to) const;
};

// Count wraps within its 64 bits and never carries into the IV.
void ctr_xor(const Key &key, Counter counter, BYTE *data, std::size_t len);
// 64 bits that tell keys apart and say nothing else about them.
std::uint64_t one_way_mark(const Key &key);

// Sixteen random bytes from the system; false if it has none.
bool draw_random(Key &out);
// The key in a blob of the key exchange that is offered; E_FAIL, whatever is wrong with it.
HRESULT unwrap_key(const VOID *blob, UINT len, Key &out);
HRESULT unwrap_rsa(const VOID *blob, UINT len, Key &out);
HRESULT unseal(const VOID *blob, UINT len, Key &out);
// The other side of the last one: how long the blob is, or 0 where there is no room.
UINT seal(const Key &key, BYTE *out, UINT room);

// The one key exchange that is offered, as VENDOR_UMD_KEX names it: "rsa", "sealed", or the one in the clear.
enum class Exchange { clear, rsa, sealed };
// False if there is none of that name.
bool choose_exchange();
Exchange chosen_exchange();
const GUID &exchange_type();
// GetCaps 43 and 44: the certificate whose key RSAES-OAEP wraps for.
HRESULT certificate(const D3DDDIARG_GETCAPS &args);

// ---- Crypto sessions ----

class Session {
public:
    explicit Session(unsigned serial) : serial(serial) {}
    ~Session();
    static void *operator new(std::size_t size);
    static void operator delete(void *memory);
    Session(const Session &) = delete;
    Session &operator=(const Session &) = delete;

    HRESULT exchange(const VOID *blob, UINT len);
    HRESULT start(VOID *out, UINT len);
    HRESULT finish();
    // Whether data may use the key now, and `counter` with it.
    HRESULT admit(const Counter &counter, UINT len) const;
    // The IV of the next read-back; an error if there is none.
    HRESULT next_readback(Counter &out);
    void use_up(const Counter &counter);
    // The device is gone: nothing secret stays.
    void lose();

    void note_upload() { ++upload_count_; }
    bool is_keyed() const { return state_ != State::unkeyed; }
    const Key &key() const { return secrets_.key; }
    const Key &key_for_upload();

    const unsigned serial;

private:
    enum class State { unkeyed, keyed, pending };

    void enter_epoch(bool by_exchange);
    bool was_in_force(const Key &key) const;
    Key &pending_random();

    State state_ = State::unkeyed;
    struct {
        Key random, key;
    } secrets_{};
    // Marks of the keys that were in force: a key that comes back has used its IVs before.
    std::array<std::uint64_t, epochs_max> marks_{};
    std::size_t mark_count_ = 0;
    bool has_iv_ = false, has_iv_ever_ = false;
    std::uint64_t highest_iv_ = 0, highest_iv_ever_ = 0;

    std::uint64_t readback_iv_ = 0;         // of Bug::readback_iv_apart
    std::vector<std::unique_ptr<Key>> old_; // of Bug::old_key_kept
    unsigned upload_count_ = 0;             // of Bug::destroy_frees_queued_session
    Key cached_{};                          // of Bug::cached_key_outlives_finish
    bool is_cached_ = false;
};

// ---- Resources ----

struct Resource {
    ~Resource();
    bool is_video = false, is_lockable = true;
    UINT pitch = 0, lock_count = 0;
    std::uint64_t len = 0;
    BYTE *bytes = nullptr; // the client's, or those of `memory`
    std::unique_ptr<BYTE[]> memory;
};

// What a create asks for, or why it is refused.
HRESULT make_resource(const D3DDDIARG_CREATERESOURCE &args, std::unique_ptr<Resource> &out);

// ---- Devices and their queue ----

// An upload that was accepted, with everything that it needs.
struct Job {
    ~Job();
    Resource *target = nullptr;
    std::vector<BYTE> data;
    Counter counter;
    Key key{};
    Session *session = nullptr;    // of Bug::queue_reads_key_late and its like
    const VOID *late_iv = nullptr; // of Bug::iv_read_late
};

class Adapter;

class Device {
public:
    Device(Adapter &adapter, HANDLE runtime, const D3DDDI_DEVICECALLBACKS &callbacks);
    ~Device();
    Device(const Device &) = delete;
    Device &operator=(const Device &) = delete;

    HRESULT create_context();
    // Executes what is queued and gives the context back.
    void close();

    HRESULT create_session(const D3DDDIARG_CREATECRYPTOSESSION &args, HANDLE &out);
    HRESULT destroy_session(HANDLE session);
    HRESULT create_resource(const D3DDDIARG_CREATERESOURCE &args, HANDLE &out);
    HRESULT destroy_resource(HANDLE resource);
    HRESULT lock(D3DDDIARG_LOCK &args);
    HRESULT unlock(const D3DDDIARG_UNLOCK &args);
    HRESULT pitch(D3DDDIARG_GETPITCH &args);
    HRESULT decryption_blt(const D3DDDIARG_DECRYPTIONBLT &args);
    HRESULT encryption_blt(const D3DDDIARG_ENCRYPTIONBLT &args);
    // Executes all queued work, and says to the kernel that `more` commands came with it.
    HRESULT execute(UINT more = 0);

    Session *session(HANDLE handle);
    void drop_jobs();
    bool is_removed() const { return is_removed_; }
    // The device is gone: from now on it serves nothing, and has no keys.
    void lose();
    Adapter &adapter;

private:
    Resource *resource(HANDLE handle);
    HRESULT render(std::size_t command_count);
    void run(const Job &job);
    void drop_jobs_into(const Resource &target);

    HANDLE runtime_;
    const D3DDDI_DEVICECALLBACKS &callbacks_;
    HANDLE context_ = nullptr;
    VOID *command_buffer_ = nullptr;
    UINT command_buffer_len_ = 0;
    bool is_removed_ = false;
    unsigned session_count_ = 0;
    std::uint64_t video_len_ = 0;
    std::vector<std::unique_ptr<Session>> sessions_;
    std::vector<std::unique_ptr<Resource>> resources_;
    std::deque<std::unique_ptr<Job>> jobs_;
};

// ---- What is alive in the process ----

// Objects whose addresses are valid handles. Devices run on several threads, so there is a lock;
// calls on one device come one at a time, so what was found stays alive during the call.
template <class Object> class LiveList {
public:
    void add(Object *object) {
        const auto guard = lock();
        live_.push_back(object);
    }
    void remove(Object *object) {
        const auto guard = lock();
        live_.erase(std::remove(live_.begin(), live_.end(), object), live_.end());
    }
    template <class Test> Object *find(Test test) {
        const auto guard = lock();
        const auto at = std::find_if(live_.begin(), live_.end(), test);
        return at == live_.end() ? nullptr : *at;
    }
    Object *find(HANDLE handle) {
        return find([handle](Object *object) { return object == handle; });
    }

private:
    std::unique_lock<std::mutex> lock() {
        return bug(Bug::live_list_unlocked) ? std::unique_lock<std::mutex>()
                                            : std::unique_lock<std::mutex>(mutex_);
    }
    std::mutex mutex_;
    std::vector<Object *> live_;
};

class Adapter {};

extern LiveList<Device> live_devices;
extern LiveList<Adapter> live_adapters;

// Fills the runtime's table with the entries of this driver.
void fill_table(D3DDDI_DEVICEFUNCS &table);

} // namespace vendor
