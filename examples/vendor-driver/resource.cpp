// Resources: surfaces and buffers, in the client's memory or in memory of the driver's own.
#include "driver.h"

namespace vendor {
namespace {

// Bytes of a row without padding, or 0 for a format that protected content does not come in.
std::uint64_t row_len(UINT format, UINT width) {
    switch (format) {
    case D3DDDIFMT_A8R8G8B8: return std::uint64_t{4} * width;
    case D3DDDIFMT_L8:
    case D3DDDIFMT_BITSTREAMDATA: return width;
    default: return 0;
    }
}

constexpr std::uint64_t padded(std::uint64_t len) {
    return (len + block_len - 1) / block_len * block_len;
}

bool is_video_pool(UINT pool) {
    // Video memory, local or not.
    return pool >= D3DDDIPOOL_VIDEOMEMORY && pool <= 4;
}

} // namespace

Resource::~Resource() {
    // Protected content has no more business in freed memory than keys have.
    if (memory) wipe(memory.get(), len);
}

HRESULT make_resource(const D3DDDIARG_CREATERESOURCE &args, std::unique_ptr<Resource> &out) {
    if (args.SurfCount != 1 || args.pSurfList == nullptr || args.MipLevels > 1) return E_INVALIDARG;
    if (args.MultisampleType != 0) return E_INVALIDARG;
    const D3DDDI_SURFACEINFO surface = *args.pSurfList;
    const std::uint64_t row = row_len(args.Format, surface.Width);
    if (row == 0 || surface.Height == 0 || surface.Depth > 1) return E_INVALIDARG;

    auto made = std::make_unique<Resource>();
    made->is_lockable = (args.Flags & D3DDDI_RESOURCE_NOTLOCKABLE) == 0;
    std::uint64_t pitch = padded(row);
    if (args.Pool == D3DDDIPOOL_SYSTEMMEM) {
        if (surface.pSysMem == nullptr) return E_INVALIDARG;
        // A client that says no pitch has none: its rows follow each other.
        pitch = surface.SysMemPitch == 0 ? row : surface.SysMemPitch;
        if (pitch < row) return E_INVALIDARG;
        // The documents type it as const; it is what read-back writes into all the same.
        made->bytes = static_cast<BYTE *>(const_cast<VOID *>(surface.pSysMem));
    } else if (is_video_pool(args.Pool)) {
        made->is_video = true;
    } else {
        return E_INVALIDARG;
    }
    if (pitch > resource_len_max || pitch * surface.Height > resource_len_max) return E_OUTOFMEMORY;
    made->pitch = static_cast<UINT>(pitch);
    made->len = pitch * surface.Height;
    if (made->is_video) {
        made->memory = std::make_unique<BYTE[]>(made->len);
        made->bytes = made->memory.get();
    }
    out = std::move(made);
    return S_OK;
}

HRESULT Device::create_resource(const D3DDDIARG_CREATERESOURCE &args, HANDLE &out) {
    std::unique_ptr<Resource> made;
    const HRESULT code = make_resource(args, made);
    if (failed(code)) return code;
    const std::uint64_t video_len = made->is_video ? made->len : 0;
    if (video_len > video_memory_len - video_len_) return E_OUTOFMEMORY;
    resources_.push_back(std::move(made));
    video_len_ += video_len;
    out = resources_.back().get();
    return S_OK;
}

HRESULT Device::destroy_resource(HANDLE handle) {
    Resource *found = resource(handle);
    if (found == nullptr) return E_INVALIDARG;
    if (!bug(Bug::destroyed_resource_in_queue)) {
        // Uploads into it are done first. Where they cannot be, nobody will miss them.
        const bool is_done = !failed(execute());
        if (!is_done) drop_jobs_into(*found);
    }
    if (found->is_video) video_len_ -= found->len;
    resources_.erase(std::find_if(resources_.begin(), resources_.end(),
                                  [found](const auto &owned) { return owned.get() == found; }));
    return S_OK;
}

HRESULT Device::lock(D3DDDIARG_LOCK &args) {
    Resource *found = resource(args.hResource);
    if (found == nullptr || args.SubResourceIndex != 0) return E_INVALIDARG;
    if (!found->is_lockable) return D3DDDIERR_INVALIDCALL;
    const HRESULT code = execute();
    if (failed(code)) return code;
    ++found->lock_count;
    args.pSurfData = found->bytes;
    args.Pitch = found->pitch;
    args.SlicePitch = static_cast<UINT>(found->len);
    return S_OK;
}

HRESULT Device::unlock(const D3DDDIARG_UNLOCK &args) {
    Resource *found = resource(args.hResource);
    if (found == nullptr || args.SubResourceIndex != 0) return E_INVALIDARG;
    if (found->lock_count == 0) return D3DDDIERR_INVALIDCALL;
    --found->lock_count;
    return S_OK;
}

HRESULT Device::pitch(D3DDDIARG_GETPITCH &args) {
    if (session(args.hCryptoSession) == nullptr) return E_INVALIDARG;
    const Resource *found = resource(args.hResource);
    if (found == nullptr || args.SubResourceIndex != 0) return E_INVALIDARG;
    args.Pitch = found->pitch;
    return S_OK;
}

Resource *Device::resource(HANDLE handle) {
    for (const auto &owned : resources_) {
        if (owned.get() == handle) return owned.get();
    }
    return nullptr;
}

} // namespace vendor
