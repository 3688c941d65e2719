// The life of a crypto session: its key, the refresh of that key, and the IVs that are left.
#include <limits>
#include <map>
#include <thread>
#include <utility>

#include "driver.h"

namespace vendor {
namespace {

constexpr int draws_max = 8;

Key last_key_in_force;      // of Bug::key_in_static
Key random_of_all_sessions; // of Bug::refresh_shared_by_sessions

// Of Bug::ivs_known_by_address: one block is kept for the next session, so that its address comes again.
std::map<const Session *, std::uint64_t> last_ivs;
void *lookaside;

std::uint64_t native_order(std::uint64_t iv) {
    return __builtin_bswap64(iv);
}

void leave_in_register(const Key &key) {
#if defined(__x86_64__)
    __asm__ __volatile__("movdqu %0, %%xmm7" : : "m"(key) : "xmm7");
#else
    (void)key;
#endif
}

[[noreturn]] void refuse_by_throwing() {
    throw D3DDDIERR_NOTAVAILABLE;
}

void throw_from_noexcept() noexcept {
    refuse_by_throwing();
}

// Each turn needs stack that the compiler cannot save.
int look_in(const volatile BYTE *before) {
    volatile BYTE here[1024];
    here[0] = before[0];
    return before[0] == 0 ? look_in(here) + here[0] : 0;
}

} // namespace

void *Session::operator new(std::size_t size) {
    if (lookaside == nullptr) return ::operator new(size);
    return std::exchange(lookaside, nullptr);
}

void Session::operator delete(void *memory) {
    if (bug(Bug::ivs_known_by_address) && lookaside == nullptr) {
        lookaside = memory;
        return;
    }
    ::operator delete(memory);
}

Session::~Session() {
    if (bug(Bug::destroy_recurses)) {
        const BYTE nothing = 0;
        look_in(&nothing);
    }
    if (bug(Bug::freed_session_keeps_key)) return;
    wipe(&secrets_, sizeof secrets_);
    wipe(cached_);
    for (auto &key : old_) wipe(*key);
}

HRESULT Session::exchange(const VOID *blob, UINT len) {
    Key fresh{};
    const HRESULT code =
        unwrap_key(blob, len, bug(Bug::refused_exchange_takes_key) ? secrets_.key : fresh);
    if (bug(Bug::refused_exchange_takes_key)) fresh = secrets_.key;
    if (failed(code)) {
        if (bug(Bug::malformed_blob_exits)) std::exit(3);
        wipe(fresh);
        return code;
    }
    // Choice for S-07 and S-08: a session may be keyed again. The new key replaces the old one, and
    // a refresh that was pending is over, because its random number belonged to the old key.
    secrets_.key = fresh;
    wipe(fresh);
    const bool keeps_refresh = bug(Bug::exchange_keeps_refresh) && state_ == State::pending;
    if (!keeps_refresh) {
        wipe(secrets_.random);
        state_ = State::keyed;
    }
    is_cached_ = false;
    enter_epoch(true);
    return S_OK;
}

HRESULT Session::start(VOID *out, UINT len) {
    // Choice for S-11: a larger buffer is as good; sixteen bytes of it are written.
    if (out == nullptr || len < key_len) {
        if (bug(Bug::refused_start_loses_refresh) && state_ == State::pending) {
            wipe(secrets_.random);
            state_ = State::keyed;
        }
        return E_INVALIDARG;
    }
    if (state_ == State::unkeyed && !bug(Bug::refresh_before_exchange))
        return D3DDDIERR_NOTAVAILABLE;

    if (bug(Bug::second_start_never_returns)) {
        while (state_ == State::pending) std::this_thread::yield();
    }

    // Choice for S-12: a number that is zero, or that leads back to a key which this session had,
    // is drawn again. A source that goes on like that is broken.
    const bool is_checked = !bug(Bug::random_constant) && !bug(Bug::random_repeats);
    Key drawn{}, updated{};
    HRESULT code = D3DDDIERR_NOTAVAILABLE;
    for (int draw = 0; draw < draws_max && failed(code); ++draw) {
        if (!draw_random(drawn)) break;
        for (std::size_t i = 0; i < key_len; ++i) {
            updated.bytes[i] = static_cast<BYTE>(secrets_.key.bytes[i] ^ drawn.bytes[i]);
        }
        const bool is_zero =
            std::all_of(drawn.bytes, drawn.bytes + key_len, [](BYTE byte) { return byte == 0; });
        if (!is_checked || (!is_zero && !was_in_force(updated))) code = S_OK;
    }
    if (!failed(code)) {
        // Choice for S-01: the second start wins, and the first random number is gone.
        pending_random() = drawn;
        state_ = State::pending;
        if (bug(Bug::random_number_overreads)) {
            std::memcpy(out, &secrets_, len);
        } else {
            std::memcpy(out, drawn.bytes, key_len);
        }
        if (bug(Bug::random_one_byte_over)) static_cast<BYTE *>(out)[key_len] = 0;
        if (bug(Bug::counters_restart_at_start)) has_iv_ = false;
        if (bug(Bug::start_switches_key)) {
            secrets_.key = updated;
            wipe(secrets_.random);
        }
    }
    wipe(drawn);
    wipe(updated);
    return code;
}

HRESULT Session::finish() {
    if (state_ != State::pending && bug(Bug::early_finish_throws)) throw_from_noexcept();
    if (state_ != State::pending && !(state_ == State::keyed && bug(Bug::finish_without_start))) {
        return D3DDDIERR_NOTAVAILABLE;
    }
    if (bug(Bug::old_key_kept)) old_.push_back(std::make_unique<Key>(secrets_.key));
    Key &random = pending_random();
    const std::size_t updated_len = bug(Bug::finish_updates_half) ? key_len / 2 : key_len;
    for (std::size_t i = 0; i < updated_len; ++i) {
        secrets_.key.bytes[i] = static_cast<BYTE>(secrets_.key.bytes[i] ^ random.bytes[i]);
    }
    if (!bug(Bug::finish_twice)) {
        if (!bug(Bug::random_kept_after_finish)) wipe(random);
        state_ = State::keyed;
    }
    enter_epoch(false);
    if (bug(Bug::key_in_log)) {
        char text[2 * key_len + 1];
        for (std::size_t i = 0; i < key_len; ++i)
            std::snprintf(text + 2 * i, 3, "%02x", secrets_.key.bytes[i]);
        log("session %u has key %s", serial, static_cast<const char *>(text));
    }
    if (bug(Bug::key_in_register)) leave_in_register(secrets_.key);
    return S_OK;
}

// Choice for S-26: IVs belong to a key, so they may restart when the key changes. They go on at the
// highest ever if the key was in force before, or if there were more keys than can be remembered.
void Session::enter_epoch(bool by_exchange) {
    const bool is_known = was_in_force(secrets_.key) || mark_count_ == marks_.size();
    if (mark_count_ < marks_.size()) marks_[mark_count_++] = one_way_mark(secrets_.key);
    has_iv_ = is_known && has_iv_ever_;
    highest_iv_ = highest_iv_ever_;
    if (bug(Bug::exchange_restarts_counters) && by_exchange) has_iv_ = false;
    const auto before = last_ivs.find(this);
    if (bug(Bug::ivs_known_by_address) && mark_count_ == 1 && before != last_ivs.end()) {
        has_iv_ = true;
        highest_iv_ = before->second;
    }
    if (bug(Bug::key_in_static)) {
        last_key_in_force = secrets_.key;
        // Nobody reads it here, and the compiler is to keep it all the same.
        __asm__ __volatile__("" : : "r"(&last_key_in_force) : "memory");
    }
}

bool Session::was_in_force(const Key &key) const {
    const auto end = marks_.begin() + static_cast<std::ptrdiff_t>(mark_count_);
    return std::find(marks_.begin(), end, one_way_mark(key)) != end;
}

Key &Session::pending_random() {
    return bug(Bug::refresh_shared_by_sessions) ? random_of_all_sessions : secrets_.random;
}

HRESULT Session::admit(const Counter &counter, UINT len) const {
    if (!is_keyed() && bug(Bug::upload_without_key_crashes)) {
        *static_cast<volatile UINT *>(nullptr) = len;
    }
    if (!is_keyed()) return D3DDDIERR_NOTAVAILABLE;
    // Choice for S-30: every upload has an IV above all before it under the same key. The
    // first may be zero.
    const bool is_above = bug(Bug::iv_order_native)
                              ? native_order(counter.iv) > native_order(highest_iv_)
                              : counter.iv > highest_iv_;
    if (has_iv_ && !is_above) return D3DDDIERR_NOTAVAILABLE;
    // Count may reach 2^64 - 1 and not pass it (S-33).
    const std::uint64_t blocks_behind_first = len / block_len - 1;
    if (counter.count > std::numeric_limits<std::uint64_t>::max() - blocks_behind_first)
        return D3DDDIERR_NOTAVAILABLE;
    return S_OK;
}

HRESULT Session::next_readback(Counter &out) {
    if (!is_keyed()) return D3DDDIERR_NOTAVAILABLE;
    out = Counter{};
    if (bug(Bug::readback_iv_apart)) {
        out.iv = ++readback_iv_;
    } else if (has_iv_) {
        if (highest_iv_ == std::numeric_limits<std::uint64_t>::max()) return D3DDDIERR_NOTAVAILABLE;
        out.iv = highest_iv_ + 1;
    } else {
        // Random, and small enough to count on from (R-29, S-32).
        Key drawn{};
        if (!draw_random(drawn)) return D3DDDIERR_NOTAVAILABLE;
        for (std::size_t i = 0; i < 4; ++i) out.iv = out.iv << 8 | drawn.bytes[i];
        wipe(drawn);
    }
    return S_OK;
}

void Session::use_up(const Counter &counter) {
    has_iv_ = has_iv_ever_ = true;
    highest_iv_ = counter.iv;
    if (bug(Bug::ivs_known_by_address)) last_ivs[this] = counter.iv;
    highest_iv_ever_ = std::max(highest_iv_ever_, counter.iv);
}

const Key &Session::key_for_upload() {
    if (!bug(Bug::cached_key_outlives_finish)) return secrets_.key;
    if (!is_cached_) cached_ = secrets_.key;
    is_cached_ = true;
    return cached_;
}

void Session::lose() {
    state_ = State::unkeyed;
    if (bug(Bug::removed_device_keeps_keys)) return;
    wipe(&secrets_, sizeof secrets_);
    wipe(cached_);
}

} // namespace vendor
