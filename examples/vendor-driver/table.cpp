// The device table: every entry finds its device, keeps C++ inside, and leaves nothing behind.
#include <new>

#include "driver.h"

namespace vendor {

LiveList<Device> live_devices;

namespace {

// What all entries have in common. The arguments are copied before anything is checked, because
// the caller's memory may change meanwhile (S-43).
template <class Args, class Serve>
HRESULT serve(HANDLE handle, const Args *args, bool is_for_removed, Serve entry) {
    HRESULT code = E_INVALIDARG;
    Device *device = live_devices.find(handle);
    if (device != nullptr && args != nullptr) {
        try {
            Args copy = *args;
            // Choice for S-54: after a removal every call says so, but for those that give back.
            code = device->is_removed() && !is_for_removed ? D3DDDIERR_DEVICEREMOVED
                                                           : entry(*device, copy);
        } catch (const std::bad_alloc &) {
            code = E_OUTOFMEMORY;
        } catch (...) {
            code = E_FAIL;
        }
    }
    leave_nothing();
    return code;
}

// For a call that needs a session: the device's own, or the code for every handle that is none.
template <class Args, class Serve>
HRESULT serve_session(HANDLE handle, const Args *args, Serve entry) {
    return serve(handle, args, false, [&](Device &device, Args &copy) {
        Session *session = device.session(copy.hCryptoSession);
        // Choice for S-44: whatever is wrong with a handle, it is a wrong argument.
        return session == nullptr ? E_INVALIDARG : entry(device, *session, copy);
    });
}

HRESULT APIENTRY lock(HANDLE handle, D3DDDIARG_LOCK *args) {
    return serve(handle, args, false, [&](Device &device, D3DDDIARG_LOCK &copy) {
        const HRESULT code = device.lock(copy);
        if (!failed(code)) {
            args->pSurfData = copy.pSurfData;
            args->Pitch = copy.Pitch;
            args->SlicePitch = copy.SlicePitch;
        }
        return code;
    });
}

HRESULT APIENTRY unlock(HANDLE handle, const D3DDDIARG_UNLOCK *args) {
    return serve(handle, args, true,
                 [](Device &device, auto &copy) { return device.unlock(copy); });
}

HRESULT APIENTRY create_resource(HANDLE handle, D3DDDIARG_CREATERESOURCE *args) {
    return serve(handle, args, false, [&](Device &device, auto &copy) {
        return device.create_resource(copy, args->hResource);
    });
}

HRESULT APIENTRY destroy_resource(HANDLE handle, HANDLE resource) {
    return serve(handle, &resource, true,
                 [](Device &device, HANDLE &copy) { return device.destroy_resource(copy); });
}

HRESULT APIENTRY flush(HANDLE handle) {
    return serve(handle, &handle, false, [](Device &device, HANDLE &) { return device.execute(); });
}

HRESULT APIENTRY destroy_device(HANDLE handle) {
    return serve(handle, &handle, true, [](Device &device, HANDLE &) {
        device.close();
        live_devices.remove(&device);
        delete &device;
        return S_OK;
    });
}

HRESULT APIENTRY create_session(HANDLE handle, D3DDDIARG_CREATECRYPTOSESSION *args) {
    return serve(handle, args, false, [&](Device &device, auto &copy) {
        return device.create_session(copy, args->hCryptoSession);
    });
}

HRESULT APIENTRY key_exchange(HANDLE handle, D3DDDIARG_CRYPTOSESSIONKEYEXCHANGE *args) {
    return serve_session(handle, args, [](Device &, Session &session, auto &copy) {
        return session.exchange(copy.pData, copy.DataSize);
    });
}

HRESULT APIENTRY destroy_session(HANDLE handle, const D3DDDIARG_DESTROYCRYPTOSESSION *args) {
    return serve(handle, args, true, [](Device &device, auto &copy) {
        return device.destroy_session(copy.hCryptoSession);
    });
}

HRESULT APIENTRY encryption_blt(HANDLE handle, const D3DDDIARG_ENCRYPTIONBLT *args) {
    return serve(handle, args, false,
                 [](Device &device, auto &copy) { return device.encryption_blt(copy); });
}

HRESULT APIENTRY pitch(HANDLE handle, D3DDDIARG_GETPITCH *args) {
    return serve(handle, args, false, [&](Device &device, auto &copy) {
        const HRESULT code = device.pitch(copy);
        if (!failed(code)) args->Pitch = copy.Pitch;
        return code;
    });
}

HRESULT APIENTRY start_refresh(HANDLE handle, const D3DDDIARG_STARTSESSIONKEYREFRESH *args) {
    return serve_session(handle, args, [](Device &, Session &session, auto &copy) {
        return session.start(copy.pRandomNumber, copy.RandomNumberSize);
    });
}

HRESULT APIENTRY finish_refresh(HANDLE handle, const D3DDDIARG_FINISHSESSIONKEYREFRESH *args) {
    return serve_session(handle, args, [](Device &device, Session &session, auto &) {
        if (bug(Bug::finish_drops_work)) device.drop_jobs();
        return session.finish();
    });
}

HRESULT APIENTRY encryption_blt_key(HANDLE handle, const D3DDDIARG_GETENCRYPTIONBLTKEY *args) {
    // Read-back uses the session key and the capabilities say so.
    return serve_session(handle, args,
                         [](Device &, Session &, auto &) { return D3DDDIERR_NOTAVAILABLE; });
}

HRESULT APIENTRY decryption_blt(HANDLE handle, const D3DDDIARG_DECRYPTIONBLT *args) {
    return serve(handle, args, false,
                 [](Device &device, auto &copy) { return device.decryption_blt(copy); });
}

HRESULT APIENTRY not_implemented(HANDLE, VOID *) {
    return E_NOTIMPL;
}

} // namespace

void fill_table(D3DDDI_DEVICEFUNCS &table) {
    std::array<PFND3DDDI_OTHER, sizeof table / sizeof(PFND3DDDI_OTHER)> stubs;
    static_assert(sizeof stubs == sizeof table, "the table is entries and nothing else");
    stubs.fill(not_implemented);
    std::memcpy(&table, stubs.data(), sizeof table);
    table.pfnLock = lock;
    table.pfnUnlock = unlock;
    table.pfnCreateResource = create_resource;
    table.pfnDestroyResource = destroy_resource;
    table.pfnFlush = flush;
    table.pfnDestroyDevice = destroy_device;
    table.pfnCreateCryptoSession = create_session;
    table.pfnCryptoSessionKeyExchange = key_exchange;
    table.pfnDestroyCryptoSession = destroy_session;
    table.pfnEncryptionBlt = encryption_blt;
    table.pfnGetPitch = pitch;
    table.pfnStartSessionKeyRefresh = start_refresh;
    table.pfnFinishSessionKeyRefresh = finish_refresh;
    table.pfnGetEncryptionBltKey = encryption_blt_key;
    table.pfnDecryptionBlt = decryption_blt;
    table.pfnCreateResource2 = nullptr;
    table.pfnFlush1 = nullptr;
    table.pfnReserved1 = nullptr;
}

} // namespace vendor

// Takes a device away as a hang of the engine would, for tests that cannot wait for one.
extern "C" __attribute__((visibility("default"))) HRESULT APIENTRY
vendor_umd_remove_device(HANDLE handle) {
    return vendor::serve(handle, &handle, false, [](vendor::Device &device, HANDLE &) {
        device.lose();
        return S_OK;
    });
}
