// The engine: uploads are queued and executed later, read-back is executed at once behind them.
#include "driver.h"

namespace vendor {
namespace {

// What the command buffer gets for a batch: that there is one, and how long it is. Keys never go
// there, because the kernel driver of this vendor does not need them.
struct BatchPacket {
    UINT magic, command_count;
};
constexpr UINT batch_magic = 0x31584B56; // "VKX1"

bool is_aligned(const BYTE *bytes) {
    return reinterpret_cast<std::uintptr_t>(bytes) % buffer_alignment == 0;
}

// The size of a blt: whole blocks, that both sides have.
HRESULT check_len(UINT len, const Resource &system, const Resource &video) {
    if (bug(Bug::blt_size_wraps)) len = (len + block_len - 1) & ~(block_len - 1);
    const bool is_whole = len % block_len == 0 && (len != 0 || bug(Bug::blt_size_wraps));
    if (!is_whole || len > system.len || !is_aligned(system.bytes)) return E_INVALIDARG;
    if (len > video.len && !bug(Bug::target_size_unchecked)) return E_INVALIDARG;
    return S_OK;
}

} // namespace

Job::~Job() {
    if (!bug(Bug::finished_work_keeps_key)) wipe(key);
}

HRESULT Device::decryption_blt(const D3DDDIARG_DECRYPTIONBLT &args) {
    Session *user = session(args.hCryptoSession);
    const Resource *source = resource(args.hSrcResource);
    Resource *target = resource(args.hDstResource);
    if (user == nullptr || source == nullptr || target == nullptr) return E_INVALIDARG;
    if (args.SrcSubResourceIndex != 0 || args.DstSubResourceIndex != 0) return E_INVALIDARG;
    if (source->is_video || !target->is_video || args.pIV == nullptr) return E_INVALIDARG;
    // Neither partial encryption nor content keys are among the capabilities.
    if (args.pEncryptedBlockInfo != nullptr || args.pContentKey != nullptr)
        return D3DDDIERR_NOTAVAILABLE;
    const Counter counter = Counter::read(args.pIV);
    HRESULT code = check_len(args.SrcResourceSize, *source, *target);
    if (failed(code) && bug(Bug::refused_blt_uses_iv)) user->use_up(counter);
    if (!failed(code)) code = user->admit(counter, args.SrcResourceSize);
    if (failed(code)) return code;
    if (jobs_.size() >= jobs_max) {
        code = execute();
        if (failed(code)) return code;
    }

    auto job = std::make_unique<Job>();
    job->target = target;
    job->data.assign(source->bytes, source->bytes + args.SrcResourceSize);
    job->counter = counter;
    job->session = user;
    job->late_iv = args.pIV;
    // Choice for S-17: the key of an upload is the one in force when the call comes in.
    job->key = (bug(Bug::blt_takes_first_key) ? *sessions_.front() : *user).key_for_upload();
    if (bug(Bug::key_on_stack)) {
        const Key forgotten = job->key;
        __asm__ __volatile__("" : : "r"(&forgotten) : "memory");
    }
    jobs_.push_back(std::move(job));
    user->use_up(counter);
    return S_OK;
}

HRESULT Device::encryption_blt(const D3DDDIARG_ENCRYPTIONBLT &args) {
    Session *user = session(args.hCryptoSession);
    const Resource *source = resource(args.hSrcResource);
    Resource *target = resource(args.hDstResource);
    if (user == nullptr || source == nullptr || target == nullptr) return E_INVALIDARG;
    if (args.SrcSubResourceIndex != 0 || args.DstSubResourceIndex != 0) return E_INVALIDARG;
    if (!source->is_video || target->is_video || args.pIV == nullptr) return E_INVALIDARG;
    HRESULT code = check_len(args.DstResourceSize, *target, *source);
    Counter counter;
    if (!failed(code)) code = user->next_readback(counter);
    // What was uploaded before is read back.
    if (!failed(code)) code = execute(1);
    if (failed(code)) return code;

    // The plaintext must not lie in the client's memory, not even for a moment.
    std::vector<BYTE> data(source->bytes, source->bytes + args.DstResourceSize);
    ctr_xor(user->key(), counter, data.data(), data.size());
    std::memcpy(target->bytes, data.data(), data.size());
    counter.write(args.pIV);
    if (!bug(Bug::readback_iv_apart)) user->use_up(counter);
    return S_OK;
}

HRESULT Device::execute(UINT more) {
    if (jobs_.empty() && more == 0) return S_OK;
    const HRESULT code = render(jobs_.size() + more);
    if (code == D3DDDIERR_DEVICEREMOVED) lose();
    // After any other failure the work stays queued, and the next call tries again.
    if (failed(code)) return code;
    for (const auto &job : jobs_) run(*job);
    drop_jobs();
    return S_OK;
}

void Device::run(const Job &job) {
    const Key &key = bug(Bug::queue_reads_key_late) ? job.session->key() : job.key;
    if (bug(Bug::destroy_frees_queued_session)) job.session->note_upload();
    const Counter counter = bug(Bug::iv_read_late) ? Counter::read(job.late_iv) : job.counter;
    std::memcpy(job.target->bytes, job.data.data(), job.data.size());
    ctr_xor(key, counter, job.target->bytes, job.data.size());
}

HRESULT Device::render(std::size_t command_count) {
    D3DDDICB_RENDER args{};
    args.hContext = context_;
    if (command_buffer_ != nullptr && command_buffer_len_ >= sizeof(BatchPacket)) {
        const BatchPacket packet = {batch_magic, static_cast<UINT>(command_count)};
        std::memcpy(command_buffer_, &packet, sizeof packet);
        args.CommandLength = sizeof packet;
    }
    const HRESULT code = callbacks_.pfnRenderCb(runtime_, &args);
    if (!failed(code) && args.pNewCommandBuffer != nullptr) {
        command_buffer_ = args.pNewCommandBuffer;
        command_buffer_len_ = args.NewCommandBufferSize;
    }
    return code;
}

void Device::lose() {
    log("the device was removed: %u commands and all keys are lost",
        static_cast<unsigned>(jobs_.size()));
    is_removed_ = true;
    for (const auto &owned : sessions_) owned->lose();
    drop_jobs();
}

void Device::drop_jobs() {
    jobs_.clear();
}

void Device::drop_jobs_into(const Resource &target) {
    jobs_.erase(std::remove_if(jobs_.begin(), jobs_.end(),
                               [&](const auto &job) { return job->target == &target; }),
                jobs_.end());
}

} // namespace vendor
