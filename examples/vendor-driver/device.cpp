// Devices: their context in the kernel, the sessions that they created, and their end.
#include "driver.h"

namespace vendor {

Device::Device(Adapter &adapter, HANDLE runtime, const D3DDDI_DEVICECALLBACKS &callbacks)
    : adapter(adapter), runtime_(runtime), callbacks_(callbacks) {}

// Keys, random numbers and plaintext are wiped by the destructors of what is owned.
Device::~Device() = default;

HRESULT Device::create_context() {
    D3DDDICB_CREATECONTEXT args{};
    const HRESULT code = callbacks_.pfnCreateContextCb(runtime_, &args);
    if (failed(code)) return code;
    context_ = args.hContext;
    command_buffer_ = args.pCommandBuffer;
    command_buffer_len_ = args.CommandBufferSize;
    return S_OK;
}

void Device::close() {
    execute();
    const D3DDDICB_DESTROYCONTEXT args = {context_};
    if (callbacks_.pfnDestroyContextCb != nullptr) callbacks_.pfnDestroyContextCb(runtime_, &args);
}

HRESULT Device::create_session(const D3DDDIARG_CREATECRYPTOSESSION &args, HANDLE &out) {
    if (!same(args.CryptoType, aes128_ctr)) return D3DDDIERR_NOTAVAILABLE;
    // There is no decoder here, so no decode profile goes with the type.
    if (!same(args.DecodeProfile, null_guid)) return D3DDDIERR_UNSUPPORTEDCRYPTO;
    if (sessions_.size() >= sessions_max) return E_OUTOFMEMORY;
    sessions_.push_back(std::make_unique<Session>(++session_count_));
    log("session %u was created", session_count_);
    out = sessions_.back().get();
    return S_OK;
}

HRESULT Device::destroy_session(HANDLE handle) {
    const auto is_it = [handle](const auto &owned) { return owned.get() == handle; };
    const auto found = std::find_if(sessions_.begin(), sessions_.end(), is_it);
    if (found == sessions_.end()) return E_INVALIDARG;
    // Choice for S-22: the work that is queued is done first. If the kernel refuses it for now, it
    // stays queued with a key of its own; a destroy never fails (S-49).
    if (!bug(Bug::destroy_frees_queued_session)) execute();
    log("session %u was destroyed", (*found)->serial);
    if (bug(Bug::second_destroy_frees_again)) {
        delete found->get();
    } else {
        sessions_.erase(found);
    }
    return S_OK;
}

Session *Device::session(HANDLE handle) {
    for (const auto &owned : sessions_) {
        if (owned.get() == handle) return owned.get();
    }
    if (bug(Bug::foreign_device_finds_session)) {
        Session *found = nullptr;
        live_devices.find([&](Device *other) {
            for (const auto &owned : other->sessions_) {
                if (owned.get() == handle) found = owned.get();
            }
            return found != nullptr;
        });
        return found;
    }
    return nullptr;
}

} // namespace vendor
