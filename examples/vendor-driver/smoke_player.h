// The smoke test's runtime and player, who reach the driver through its table alone.
#pragma once

#include <sys/syscall.h>
#include <unistd.h>

#include "d3dumddi_crypto.h"
#include "smoke_heap.h"

namespace {

constexpr GUID aes_ctr = {
    0x9B6BD711, 0x4F74, 0x41C9, {0x9E, 0x7B, 0x0B, 0xE2, 0xD7, 0xD9, 0x3B, 0x4F}};

// ---- The system's random numbers, which can be made to be zeros or to fail ----

enum class Source { system, zeros, none };
Source source = Source::system;

} // namespace

extern "C" ssize_t getrandom(void *out, std::size_t len, unsigned flags) {
    if (source == Source::none) return -1;
    if (source == Source::system) return syscall(SYS_getrandom, out, len, flags);
    std::memset(out, 0, len);
    return static_cast<ssize_t>(len);
}

namespace {

// ---- The runtime ----

struct Runtime {
    std::uint8_t commands[4096];
    HRESULT render_code = S_OK;
    unsigned contexts = 0, renders = 0;
};

HRESULT APIENTRY create_context(HANDLE runtime, D3DDDICB_CREATECONTEXT *args) {
    auto *self = static_cast<Runtime *>(runtime);
    ++self->contexts;
    args->hContext = self;
    args->pCommandBuffer = self->commands;
    args->CommandBufferSize = sizeof self->commands;
    return S_OK;
}

HRESULT APIENTRY destroy_context(HANDLE runtime, const D3DDDICB_DESTROYCONTEXT *) {
    --static_cast<Runtime *>(runtime)->contexts;
    return S_OK;
}

HRESULT APIENTRY render(HANDLE runtime, D3DDDICB_RENDER *) {
    ++static_cast<Runtime *>(runtime)->renders;
    return static_cast<Runtime *>(runtime)->render_code;
}

D3DDDI_ADAPTERFUNCS adapter_table;
HANDLE adapter;

struct Device {
    Runtime runtime;
    D3DDDI_DEVICECALLBACKS callbacks{};
    // Room for more entries than there are, to see how far the driver writes.
    union {
        D3DDDI_DEVICEFUNCS table;
        std::uintptr_t slots[256];
    };
    HANDLE handle = nullptr;

    Device() {
        for (auto &slot : slots) slot = 0xC0FFEE;
        callbacks.pfnCreateContextCb = create_context;
        callbacks.pfnDestroyContextCb = destroy_context;
        callbacks.pfnRenderCb = render;
        D3DDDIARG_CREATEDEVICE args{};
        args.hDevice = &runtime;
        args.Version = D3D_UMD_INTERFACE_VERSION_WIN7;
        args.pCallbacks = &callbacks;
        args.pDeviceFuncs = &table;
        check(adapter_table.pfnCreateDevice(adapter, &args) == S_OK, "CreateDevice answers S_OK");
        handle = args.hDevice;
        check(handle != &runtime && runtime.contexts == 1,
              "CreateDevice makes a context and a handle");
    }

    void destroy() {
        check(table.pfnDestroyDevice(handle) == S_OK, "DestroyDevice answers S_OK");
        check(runtime.contexts == 0, "DestroyDevice gives the context back");
        check(table.pfnFlush(handle) != S_OK, "a destroyed device serves nothing");
    }

    HANDLE resource(UINT pool, void *bytes, UINT len) {
        D3DDDI_SURFACEINFO surface{len, 1, 0, bytes, len, 0};
        D3DDDIARG_CREATERESOURCE args{};
        args.Format = D3DDDIFMT_L8;
        args.Pool = pool;
        args.pSurfList = &surface;
        args.SurfCount = 1;
        check(table.pfnCreateResource(handle, &args) == S_OK, "CreateResource answers S_OK");
        return args.hResource;
    }

    Bytes contents(HANDLE resource, std::size_t len) {
        D3DDDIARG_LOCK lock{};
        lock.hResource = resource;
        check(table.pfnLock(handle, &lock) == S_OK, "Lock answers S_OK");
        const auto *bytes = static_cast<const std::uint8_t *>(lock.pSurfData);
        const Bytes copy(bytes, bytes + len);
        const D3DDDIARG_UNLOCK unlock{resource, 0, 0};
        check(table.pfnUnlock(handle, &unlock) == S_OK, "Unlock answers S_OK");
        check(table.pfnUnlock(handle, &unlock) != S_OK, "a second Unlock is refused");
        return copy;
    }
};

// ---- The player ----

constexpr UINT data_len = 48;

Bytes plaintext(unsigned seed) {
    Bytes bytes(data_len);
    for (std::size_t i = 0; i < data_len; ++i)
        bytes[i] = static_cast<std::uint8_t>(seed * 41 + i * 7 + 1);
    return bytes;
}

struct Player {
    Device &device;
    HANDLE session = nullptr;
    Block key{};
    alignas(16) std::uint8_t system[64];
    HANDLE system_resource;

    explicit Player(Device &device) : device(device) {
        D3DDDIARG_CREATECRYPTOSESSION args{};
        args.CryptoType = aes_ctr;
        check(device.table.pfnCreateCryptoSession(device.handle, &args) == S_OK,
              "CreateCryptoSession answers S_OK");
        session = args.hCryptoSession;
        system_resource = device.resource(D3DDDIPOOL_SYSTEMMEM, system, sizeof system);
    }

    HRESULT exchange(unsigned seed, bool is_damaged = false) {
        std::uint8_t blob[28] = {'V', 'K', 'X', '1', 16};
        for (unsigned i = 0; i < 16; ++i)
            blob[8 + i] = static_cast<std::uint8_t>(seed * 29 + i * 31 + (i ^ seed) * 3);
        std::uint32_t sum = 0x811C9DC5;
        for (unsigned i = 0; i < 24; ++i) sum = (sum ^ blob[i]) * 0x01000193;
        for (unsigned i = 0; i < 4; ++i) blob[24 + i] = static_cast<std::uint8_t>(sum >> 8 * i);
        if (is_damaged) blob[27] ^= 1;
        D3DDDIARG_CRYPTOSESSIONKEYEXCHANGE args{session, sizeof blob, blob};
        const HRESULT code = device.table.pfnCryptoSessionKeyExchange(device.handle, &args);
        if (code == S_OK) {
            std::memcpy(key.data(), blob + 8, 16);
            keep_secret(key);
        }
        return code;
    }

    HRESULT start(void *out, UINT len) {
        const D3DDDIARG_STARTSESSIONKEYREFRESH args{session, out, len};
        return device.table.pfnStartSessionKeyRefresh(device.handle, &args);
    }

    HRESULT finish(const Block &random) {
        const D3DDDIARG_FINISHSESSIONKEYREFRESH args{session};
        const HRESULT code = device.table.pfnFinishSessionKeyRefresh(device.handle, &args);
        if (code == S_OK) {
            for (std::size_t i = 0; i < 16; ++i) key[i] ^= random[i];
            keep_secret(key);
            keep_secret(random);
        }
        return code;
    }

    HRESULT upload(HANDLE target, const Bytes &data, std::uint64_t iv, UINT len = data_len) {
        const Bytes cipher = counter_mode(key, iv, 5, data);
        std::memcpy(system, cipher.data(), cipher.size());
        D3DAES_CTR_IV counter{__builtin_bswap64(iv), __builtin_bswap64(5)};
        const D3DDDIARG_DECRYPTIONBLT args{session, system_resource, 0,       target,  0,
                                           len,     nullptr,         nullptr, &counter};
        const HRESULT code = device.table.pfnDecryptionBlt(device.handle, &args);
        // The driver has its own copies now.
        std::memset(system, 0xEE, sizeof system);
        std::memset(&counter, 0xEE, sizeof counter);
        return code;
    }

    // Reads back and decrypts; the IV is the driver's.
    Bytes read_back(HANDLE source, std::uint64_t &iv) {
        D3DAES_CTR_IV counter{};
        const D3DDDIARG_ENCRYPTIONBLT args{session, source,   0,       system_resource,
                                           0,       data_len, &counter};
        check(device.table.pfnEncryptionBlt(device.handle, &args) == S_OK,
              "EncryptionBlt answers S_OK");
        iv = __builtin_bswap64(counter.IV);
        return counter_mode(key, iv, __builtin_bswap64(counter.Count),
                            Bytes(system, system + data_len));
    }

    HRESULT destroy() {
        const D3DDDIARG_DESTROYCRYPTOSESSION args{session};
        return device.table.pfnDestroyCryptoSession(device.handle, &args);
    }
};

} // namespace
