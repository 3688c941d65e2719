// Opening and closing: the one export, the capabilities, and how devices are made.
#include <new>

#include "driver.h"

namespace vendor {

LiveList<Adapter> live_adapters;

namespace {

HRESULT content_protection_caps(const D3DDDIARG_GETCAPS &args) {
    if (args.pInfo == nullptr || args.pData == nullptr ||
        args.DataSize != sizeof(D3DCONTENTPROTECTIONCAPS)) {
        return E_INVALIDARG;
    }
    DDICONTENTPROTECTIONCAPS asked;
    std::memcpy(&asked, args.pInfo, sizeof asked);
    // NULL_GUID asks for the union over all types, of which there is one.
    if (!same(asked.CryptoType, aes128_ctr) && !same(asked.CryptoType, null_guid))
        return D3DDDIERR_NOTAVAILABLE;
    if (!same(asked.DecodeProfile, null_guid)) return D3DDDIERR_UNSUPPORTEDCRYPTO;
    D3DCONTENTPROTECTIONCAPS caps{};
    caps.Caps = D3DCPCAPS_SOFTWARE | D3DCPCAPS_FRESHENSESSIONKEY | D3DCPCAPS_ENCRYPTEDREADBACK;
    if (bug(Bug::caps_hide_refresh)) caps.Caps &= ~D3DCPCAPS_FRESHENSESSIONKEY;
    if (bug(Bug::caps_promise_read_back_keys)) caps.Caps |= D3DCPCAPS_ENCRYPTEDREADBACKKEY;
    caps.KeyExchangeType = exchange_type();
    caps.BufferAlignmentStart = buffer_alignment;
    caps.BlockAlignmentSize = block_len;
    caps.ProtectedMemorySize = video_memory_len;
    std::memcpy(args.pData, &caps, sizeof caps);
    return S_OK;
}

HRESULT APIENTRY get_caps(HANDLE handle, const D3DDDIARG_GETCAPS *args) {
    if (live_adapters.find(handle) == nullptr || args == nullptr) return E_INVALIDARG;
    // The vendor's own key exchanges have no certificate.
    const bool is_certificate = args->Type == D3DDDICAPS_GETCERTIFICATESIZE ||
                                args->Type == D3DDDICAPS_GETCERTIFICATE;
    if (is_certificate && chosen_exchange() == Exchange::rsa) return certificate(*args);
    if (args->Type != D3DDDICAPS_GETCONTENTPROTECTIONCAPS) return D3DDDIERR_NOTAVAILABLE;
    return content_protection_caps(*args);
}

HRESULT APIENTRY create_device(HANDLE handle, D3DDDIARG_CREATEDEVICE *args) {
    Adapter *adapter = live_adapters.find(handle);
    if (adapter == nullptr || args == nullptr) return E_INVALIDARG;
    if (args->pCallbacks == nullptr || args->pDeviceFuncs == nullptr) return E_INVALIDARG;
    if (args->pCallbacks->pfnCreateContextCb == nullptr || args->pCallbacks->pfnRenderCb == nullptr)
        return E_INVALIDARG;
    try {
        auto made = std::make_unique<Device>(*adapter, args->hDevice, *args->pCallbacks);
        // Listed first, because that may run out of memory and what follows cannot.
        live_devices.add(made.get());
        const HRESULT code = made->create_context();
        if (failed(code)) {
            live_devices.remove(made.get());
            return code;
        }
        fill_table(*args->pDeviceFuncs);
        args->hDevice = made.release();
        return S_OK;
    } catch (const std::bad_alloc &) { return E_OUTOFMEMORY; }
}

HRESULT APIENTRY close_adapter(HANDLE handle) {
    Adapter *adapter = live_adapters.find(handle);
    if (adapter == nullptr) return E_INVALIDARG;
    // The runtime destroys its devices first. One that it forgot goes without callbacks, because
    // its other side may be gone; its queue is wiped and not executed.
    const auto is_ours = [adapter](Device *device) { return &device->adapter == adapter; };
    while (Device *left = live_devices.find(is_ours)) {
        live_devices.remove(left);
        delete left;
    }
    live_adapters.remove(adapter);
    delete adapter;
    leave_nothing();
    return S_OK;
}

HRESULT open(D3DDDIARG_OPENADAPTER *args) {
    if (args == nullptr || args->pAdapterFuncs == nullptr) return E_INVALIDARG;
    // Before Windows 7 the table had no crypto sessions, and no room for them.
    if (args->Version < D3D_UMD_INTERFACE_VERSION_WIN7) return D3DDDIERR_NOTAVAILABLE;
    if (!choose_bug()) {
        log("there is no bug of the name in VENDOR_UMD_BUG");
        return E_INVALIDARG;
    }
    if (!choose_exchange()) {
        log("there is no key exchange of the name in VENDOR_UMD_KEX");
        return E_INVALIDARG;
    }
    auto made = std::make_unique<Adapter>();
    live_adapters.add(made.get());
    args->pAdapterFuncs->pfnGetCaps = get_caps;
    args->pAdapterFuncs->pfnCreateDevice = create_device;
    args->pAdapterFuncs->pfnCloseAdapter = close_adapter;
    args->DriverVersion = D3D_UMD_INTERFACE_VERSION_WIN7;
    args->hAdapter = made.release();
    return S_OK;
}

} // namespace
} // namespace vendor

extern "C" __attribute__((visibility("default"))) HRESULT APIENTRY
OpenAdapter(D3DDDIARG_OPENADAPTER *args) {
    try {
        return vendor::open(args);
    } catch (const std::bad_alloc &) { return E_OUTOFMEMORY; }
}
