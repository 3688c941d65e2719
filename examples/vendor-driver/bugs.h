// The bugs that VENDOR_UMD_BUG can switch on, each of a kind that real drivers have.
#pragma once

#include <atomic>
#include <cstdlib>
#include <cstring>

namespace vendor {

// Name in code, name in the environment, kind, what happens. The bug itself is at the place where
// the mistake would be made: search for `Bug::` and the name.
#define VENDOR_BUGS(BUG) \
    BUG(finish_without_start, "finish-without-start", "state", \
        "finish answers S_OK although no refresh was started") \
    BUG(finish_twice, "finish-twice", "state", \
        "finish does not use the random number up, and a second finish brings the old key back") \
    BUG(finish_updates_half, "finish-updates-half", "state", \
        "finish updates the first eight bytes of the key only") \
    BUG(finish_drops_work, "finish-drops-work", "state", \
        "finish throws away the uploads that are queued") \
    BUG(start_switches_key, "start-switches-key", "state", \
        "start makes the updated key the key in force at once") \
    BUG(refused_start_loses_refresh, "refused-start-loses-refresh", "state", \
        "a start that is refused ends the refresh that was pending") \
    BUG(refresh_before_exchange, "refresh-before-exchange", "state", \
        "a session without a key is refreshed, which makes the public random number its key") \
    BUG(exchange_keeps_refresh, "exchange-keeps-refresh", "state", \
        "a key exchange leaves a pending refresh, and finish applies it to the new key") \
    BUG(refused_exchange_takes_key, "refused-exchange-takes-key", "state", \
        "a blob with a wrong checksum is refused after its key has been taken") \
    BUG(refused_blt_uses_iv, "refused-blt-uses-iv", "state", \
        "an upload that is refused for its size uses its IV up") \
    BUG(destroy_frees_queued_session, "destroy-frees-queued-session", "memory", \
        "queued work points to its session, and destroy frees the session without waiting") \
    BUG(destroyed_resource_in_queue, "destroyed-resource-in-queue", "memory", \
        "a resource is freed while uploads into it are queued") \
    BUG(second_destroy_frees_again, "second-destroy-frees-again", "memory", \
        "a destroyed session stays on the list; destroying it again, or its device, frees it again") \
    BUG(random_one_byte_over, "random-one-byte-over", "memory", \
        "start writes a terminating zero behind the random number") \
    BUG(random_number_overreads, "random-number-overreads", "memory", \
        "start copies as many bytes as the caller asks for, and the key lies behind the number") \
    BUG(blt_size_wraps, "blt-size-wraps", "memory", \
        "the size of an upload is rounded up in 32 bits, and the largest sizes become zero") \
    BUG(target_size_unchecked, "target-size-unchecked", "memory", \
        "an upload is not compared with the size of its target") \
    BUG(iv_read_late, "iv-read-late", "memory", \
        "queued work points to the caller's IV and reads it when it is executed") \
    BUG(freed_session_keeps_key, "freed-session-keeps-key", "hygiene", \
        "a session is freed with its key in it") \
    BUG(finished_work_keeps_key, "finished-work-keeps-key", "hygiene", \
        "work that is done is freed with its key in it") \
    BUG(key_on_stack, "key-on-stack", "hygiene", \
        "an upload leaves a copy of the key on the stack, and the entry does not clear it") \
    BUG(key_in_register, "key-in-register", "hygiene", \
        "finish returns with the updated key in a vector register") \
    BUG(key_in_static, "key-in-static", "hygiene", \
        "the last key that was in force is remembered in a static variable") \
    BUG(key_in_log, "key-in-log", "hygiene", \
        "finish logs the updated key, if there is a log") \
    BUG(random_kept_after_finish, "random-kept-after-finish", "hygiene", \
        "the random number stays in the session after finish") \
    BUG(old_key_kept, "old-key-kept", "hygiene", \
        "finish keeps the old key on the heap for as long as the session lives") \
    BUG(blob_copy_not_wiped, "blob-copy-not-wiped", "hygiene", \
        "a key exchange works on a copy of the blob and frees it as it is") \
    BUG(round_keys_in_freed_heap, "round-keys-in-freed-heap", "hygiene", \
        "the round keys of an upload are made on the heap and freed as they are") \
    BUG(removed_device_keeps_keys, "removed-device-keeps-keys", "hygiene", \
        "the sessions of a removed device keep their keys until they are destroyed") \
    BUG(random_repeats, "random-repeats", "randomness", \
        "every second random number is the one before") \
    BUG(random_constant, "random-constant", "randomness", \
        "the random number is always the same") \
    BUG(random_low_entropy, "random-low-entropy", "randomness", \
        "one random byte decides the whole random number") \
    BUG(random_from_clock, "random-from-clock", "randomness", \
        "random numbers come from a generator whose seed is the second it was first used in") \
    BUG(counters_restart_at_start, "counters-restart-at-start", "counters", \
        "IVs may restart from start on, while the old key is still in force") \
    BUG(exchange_restarts_counters, "exchange-restarts-counters", "counters", \
        "IVs may restart after any key exchange, even if it brings the same key again") \
    BUG(readback_iv_apart, "readback-iv-apart", "counters", \
        "read-back numbers its IVs from 1 and does not look at those of uploads") \
    BUG(iv_order_native, "iv-order-native", "counters", \
        "IVs are compared in the byte order of the processor") \
    BUG(foreign_device_finds_session, "foreign-device-finds-session", "isolation", \
        "a session is looked up on all devices") \
    BUG(blt_takes_first_key, "blt-takes-first-key", "isolation", \
        "an upload uses the key of the oldest session of its device") \
    BUG(refresh_shared_by_sessions, "refresh-shared-by-sessions", "isolation", \
        "there is one place for a pending random number for all sessions") \
    BUG(keystream_shared_by_devices, "keystream-shared-by-devices", "race", \
        "all threads make keystream in the same static buffer") \
    BUG(live_list_unlocked, "live-list-unlocked", "race", \
        "the list of live devices is read and changed without its lock") \
    BUG(queue_reads_key_late, "queue-reads-key-late", "epoch", \
        "queued work takes the key that its session has when the work is executed") \
    BUG(cached_key_outlives_finish, "cached-key-outlives-finish", "epoch", \
        "the first upload caches the key, and finish does not renew the cache")

enum class Bug {
    none,
#define VENDOR_BUG(id, name, kind, sentence) id,
    VENDOR_BUGS(VENDOR_BUG)
#undef VENDOR_BUG
};

inline std::atomic<Bug> chosen_bug{Bug::none};

// Whether the driver was opened with this bug.
inline bool bug(Bug which) {
    return chosen_bug.load(std::memory_order_relaxed) == which;
}

// Takes the bug that the environment names; false if there is none of that name.
inline bool choose_bug() {
    const char *wanted = std::getenv("VENDOR_UMD_BUG");
    Bug found = Bug::none;
    if (wanted != nullptr && *wanted != '\0') {
#define VENDOR_BUG(id, name, kind, sentence) \
    if (std::strcmp(wanted, name) == 0) found = Bug::id;
        VENDOR_BUGS(VENDOR_BUG)
#undef VENDOR_BUG
        if (found == Bug::none) return false;
    }
    chosen_bug.store(found, std::memory_order_relaxed);
    return true;
}

} // namespace vendor
