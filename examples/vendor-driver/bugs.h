// The bugs that VENDOR_UMD_BUG can switch on, each of a kind that real drivers have.
#pragma once

#include <atomic>
#include <cstdlib>
#include <cstring>

namespace vendor {

// Name, kind, what happens. The environment says a name with hyphens, the code says it with
// underscores; each bug is at the place where the mistake would be made: search for `Bug::NAME`.
#define VENDOR_BUGS(BUG) \
    BUG(finish_without_start, state, "finish answers S_OK although no refresh was started") \
    BUG(finish_twice, state, "finish keeps the random number, a second brings K back") \
    BUG(finish_updates_half, state, "finish updates the first eight bytes of the key only") \
    BUG(finish_drops_work, state, "finish throws away the uploads that are queued") \
    BUG(start_switches_key, state, "start makes the updated key the key in force at once") \
    BUG(refused_start_loses_refresh, state, "a refused start ends the refresh that was pending") \
    BUG(refresh_before_exchange, state, "a session without a key takes the random number as key") \
    BUG(exchange_keeps_refresh, state, "a pending refresh is applied to a key exchanged later") \
    BUG(refused_exchange_takes_key, state, "a key is taken before its checksum fails") \
    BUG(caps_hide_refresh, state, "the capabilities do not say that the key can be refreshed") \
    BUG(caps_promise_read_back_keys, state, "the capabilities promise read-back keys") \
    BUG(refused_blt_uses_iv, state, "an upload that is refused for its size uses its IV up") \
    BUG(destroy_frees_queued_session, memory, "destroy does not wait for work that points to it") \
    BUG(destroyed_resource_in_queue, memory, "a resource is freed while uploads to it are queued") \
    BUG(second_destroy_frees_again, memory, "a destroyed session stays listed and is freed again") \
    BUG(random_one_byte_over, memory, "start writes a terminating zero behind the random number") \
    BUG(random_number_overreads, memory, "start copies any size asked for, the key included") \
    BUG(blt_size_wraps, memory, "the size of an upload is rounded up to zero in 32 bits") \
    BUG(target_size_unchecked, memory, "an upload is not compared with the size of its target") \
    BUG(iv_read_late, memory, "queued work reads the caller's IV when it is executed") \
    BUG(checksum_in_signed_numbers, arithmetic, "the checksum of a blob overflows an int") \
    BUG(freed_session_keeps_key, hygiene, "a session is freed with its key in it") \
    BUG(finished_work_keeps_key, hygiene, "work that is done is freed with its key in it") \
    BUG(key_on_stack, hygiene, "an upload leaves a copy of the key on the stack") \
    BUG(key_in_register, hygiene, "entries clear no registers; finish has the key in one") \
    BUG(key_in_static, hygiene, "the last key in force is remembered in a static variable") \
    BUG(key_in_log, hygiene, "finish logs the updated key, if there is a log") \
    BUG(random_kept_after_finish, hygiene, "the random number stays in the session after finish") \
    BUG(old_key_kept, hygiene, "finish keeps the old key on the heap until the session dies") \
    BUG(blob_copy_not_wiped, hygiene, "a key exchange frees its copy of the blob as it is") \
    BUG(round_keys_in_freed_heap, hygiene, "round keys are freed on the heap as they are") \
    BUG(removed_device_keeps_keys, hygiene, "sessions of a removed device keep their keys") \
    BUG(random_repeats, randomness, "every second random number is the one before") \
    BUG(random_constant, randomness, "the random number is always the same") \
    BUG(random_low_entropy, randomness, "one random byte decides the whole random number") \
    BUG(random_from_clock, randomness, "a generator is seeded with the second of its first use") \
    BUG(counters_restart_at_start, counters, "IVs may restart from start on, under the old key") \
    BUG(exchange_restarts_counters, counters, "IVs may restart when the same key is exchanged") \
    BUG(readback_iv_apart, counters, "read-back counts its IVs from 1, apart from uploads") \
    BUG(iv_order_native, counters, "IVs are compared in the byte order of the processor") \
    BUG(foreign_device_finds_session, isolation, "a session is looked up on all devices") \
    BUG(blt_takes_first_key, isolation, "an upload uses the key of its device's oldest session") \
    BUG(ivs_known_by_address, isolation, "the last IV is remembered by a session's address for ever") \
    BUG(refresh_shared_by_sessions, isolation, "all sessions have one place for a random number") \
    BUG(keystream_shared_by_devices, race, "all threads make keystream in one static buffer") \
    BUG(live_list_unlocked, race, "the list of live devices is used without its lock") \
    BUG(queue_reads_key_late, epoch, "queued work takes the key in force when it is executed") \
    BUG(cached_key_outlives_finish, epoch, "the first upload caches the key, for good") \
    BUG(second_start_never_returns, end, "a start waits for the end of a refresh that is pending") \
    BUG(malformed_blob_exits, end, "a malformed blob ends the process with exit code 3") \
    BUG(upload_without_key_crashes, end, "an upload without a key writes to address zero") \
    BUG(early_finish_throws, end, "a finish without a start throws where nothing may be thrown") \
    BUG(destroy_recurses, end, "destroy looks for pending work in itself, until the stack ends")

enum class Bug {
    none,
#define VENDOR_BUG(id, kind, sentence) id,
    VENDOR_BUGS(VENDOR_BUG)
#undef VENDOR_BUG
};

inline std::atomic<Bug> chosen_bug{Bug::none};

// Whether the driver was opened with this bug.
inline bool bug(Bug which) { return chosen_bug.load(std::memory_order_relaxed) == which; }

inline bool is_name_of(const char *wanted, const char *id) {
    for (; *wanted != '\0' && (*wanted == '-' ? '_' : *wanted) == *id; ++wanted, ++id) {}
    return *wanted == '\0' && *id == '\0';
}

// Takes the bug that the environment names; false if there is none of that name.
inline bool choose_bug() {
    const char *wanted = std::getenv("VENDOR_UMD_BUG");
    Bug found = Bug::none;
    if (wanted != nullptr && *wanted != '\0') {
#define VENDOR_BUG(id, kind, sentence) \
    if (is_name_of(wanted, #id)) found = Bug::id;
        VENDOR_BUGS(VENDOR_BUG)
#undef VENDOR_BUG
        if (found == Bug::none) return false;
    }
    chosen_bug.store(found, std::memory_order_relaxed);
    return true;
}

} // namespace vendor
