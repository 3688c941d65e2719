/*
 * The crypto-session part of the Direct3D 9 user-mode driver interface, for compilers without the
 * Windows Driver Kit.
 *
 * Names, order, sizes and offsets are those of d3dumddi.h and d3d9caps.h; everything that has nothing to
 * do with crypto sessions is left out, or stands as an untyped entry of the device table. Whoever has the
 * genuine headers uses those: the two must not be included together.
 *
 * UINT and its relatives are 32 bits wide everywhere, also where `long` has 64.
 */
#ifndef REKEYLAB_D3DUMDDI_CRYPTO_H
#define REKEYLAB_D3DUMDDI_CRYPTO_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The calling convention of every entry and callback. Windows x64 where REKEYLAB_WIN64_ABI is defined,
 * else that of the platform. */
#ifndef APIENTRY
#if defined(REKEYLAB_WIN64_ABI) && !defined(_WIN32)
#define APIENTRY __attribute__((ms_abi))
#elif defined(_WIN32)
#define APIENTRY __stdcall
#else
#define APIENTRY
#endif
#endif

typedef void *HANDLE;
typedef void VOID;
typedef uint8_t BYTE;
typedef uint16_t USHORT;
typedef uint32_t UINT, DWORD, ULONG, D3DKMT_HANDLE;
typedef int32_t INT, BOOL, LONG, HRESULT;
typedef uint64_t UINT64, ULONGLONG;

typedef struct GUID {
    UINT Data1;
    USHORT Data2;
    USHORT Data3;
    BYTE Data4[8];
} GUID;

/* Return codes. */
#define S_OK ((HRESULT)0)
#define E_NOTIMPL ((HRESULT)0x80004001)
#define E_FAIL ((HRESULT)0x80004005)
#define E_OUTOFMEMORY ((HRESULT)0x8007000E)
#define E_INVALIDARG ((HRESULT)0x80070057)
#define D3DDDIERR_NOTAVAILABLE ((HRESULT)0x8876086A)
#define D3DDDIERR_DEVICEREMOVED ((HRESULT)0x88760870)
#define D3DDDIERR_INVALIDCALL ((HRESULT)0x8876086C)
#define D3DDDIERR_INVALIDHANDLE ((HRESULT)0x88760873)
#define D3DDDIERR_UNSUPPORTEDCRYPTO ((HRESULT)0x8876087E)
#define D3DDDIERR_WASSTILLDRAWING ((HRESULT)0x8876021C)

/* Interface versions, as OpenAdapter and CreateDevice are told and DriverVersion answers. */
#define D3D_UMD_INTERFACE_VERSION_VISTA 0x000C
#define D3D_UMD_INTERFACE_VERSION_WIN7 0x2003
#define D3D_UMD_INTERFACE_VERSION_WIN8 0x3004
#define D3D_UMD_INTERFACE_VERSION_WDDM1_3 0x4002
#define D3D_UMD_INTERFACE_VERSION_WDDM2_0 0x5002
#define D3D_UMD_INTERFACE_VERSION_WDDM2_1_2 0x6001

/* ---- Capabilities ---- */

#define D3DDDICAPS_GETCONTENTPROTECTIONCAPS 42
#define D3DDDICAPS_GETCERTIFICATESIZE 43 /* pData: a UINT */
#define D3DDDICAPS_GETCERTIFICATE 44     /* pData: so many bytes */

typedef struct D3DDDIARG_GETCAPS {
    UINT Type;
    VOID *pInfo;
    VOID *pData;
    UINT DataSize;
} D3DDDIARG_GETCAPS;

typedef struct DDICONTENTPROTECTIONCAPS {
    GUID CryptoType;
    GUID DecodeProfile;
} DDICONTENTPROTECTIONCAPS;

/* Of which certificate D3DDDICAPS_GETCERTIFICATESIZE and D3DDDICAPS_GETCERTIFICATE ask. */
#define DDICERTIFICATETYPE_AUTHENTICATED_CHANNEL 1
#define DDICERTIFICATETYPE_CRYPTO_SESSION 2

typedef struct DDICERTIFICATEINFO {
    UINT CertificateType;
    UINT ChannelType;
    GUID CryptoSessionType;
} DDICERTIFICATEINFO;

#define D3DCPCAPS_SOFTWARE 0x1
#define D3DCPCAPS_HARDWARE 0x2
#define D3DCPCAPS_PROTECTIONALWAYSON 0x4
#define D3DCPCAPS_PARTIALDECRYPTION 0x8
#define D3DCPCAPS_CONTENTKEY 0x10
#define D3DCPCAPS_FRESHENSESSIONKEY 0x20
#define D3DCPCAPS_ENCRYPTEDREADBACK 0x40
#define D3DCPCAPS_ENCRYPTEDREADBACKKEY 0x80
#define D3DCPCAPS_SEQUENTIAL_CTR_IV 0x100

#if UINTPTR_MAX == 0xFFFFFFFF
#pragma pack(push, 4)
#endif
typedef struct D3DCONTENTPROTECTIONCAPS {
    DWORD Caps;
    GUID KeyExchangeType;
    UINT BufferAlignmentStart;
    UINT BlockAlignmentSize;
    ULONGLONG ProtectedMemorySize;
} D3DCONTENTPROTECTIONCAPS;
#if UINTPTR_MAX == 0xFFFFFFFF
#pragma pack(pop)
#endif

/* ---- Crypto sessions ---- */

typedef struct D3DDDIARG_CREATECRYPTOSESSION {
    GUID CryptoType;
    GUID DecodeProfile;
    HANDLE hCryptoSession; /* out */
} D3DDDIARG_CREATECRYPTOSESSION;

typedef struct D3DDDIARG_CRYPTOSESSIONKEYEXCHANGE {
    HANDLE hCryptoSession;
    UINT DataSize;
    VOID *pData;
} D3DDDIARG_CRYPTOSESSIONKEYEXCHANGE;

typedef struct D3DDDIARG_DESTROYCRYPTOSESSION {
    HANDLE hCryptoSession;
} D3DDDIARG_DESTROYCRYPTOSESSION;

typedef struct D3DDDIARG_STARTSESSIONKEYREFRESH {
    HANDLE hCryptoSession;
    VOID *pRandomNumber; /* the driver writes RandomNumberSize bytes there */
    UINT RandomNumberSize;
} D3DDDIARG_STARTSESSIONKEYREFRESH;

typedef struct D3DDDIARG_FINISHSESSIONKEYREFRESH {
    HANDLE hCryptoSession;
} D3DDDIARG_FINISHSESSIONKEYREFRESH;

typedef struct D3DDDIARG_GETENCRYPTIONBLTKEY {
    HANDLE hCryptoSession;
    VOID *pReadBackKey; /* the driver writes KeySize bytes there */
    UINT KeySize;
} D3DDDIARG_GETENCRYPTIONBLTKEY;

typedef struct D3DDDIARG_ENCRYPTIONBLT {
    HANDLE hCryptoSession;
    HANDLE hSrcResource;
    UINT SrcSubResourceIndex;
    HANDLE hDstResource;
    UINT DstSubResourceIndex;
    UINT DstResourceSize;
    VOID *pIV;
} D3DDDIARG_ENCRYPTIONBLT;

typedef struct D3DDDIENCRYPTED_BLOCK_INFO {
    UINT NumEncryptedBytesAtBeginning;
    UINT NumBytesInSkipPattern;
    UINT NumBytesInEncryptPattern;
} D3DDDIENCRYPTED_BLOCK_INFO;

typedef struct D3DDDIARG_DECRYPTIONBLT {
    HANDLE hCryptoSession;
    HANDLE hSrcResource;
    UINT SrcSubResourceIndex;
    HANDLE hDstResource;
    UINT DstSubResourceIndex;
    UINT SrcResourceSize;
    D3DDDIENCRYPTED_BLOCK_INFO *pEncryptedBlockInfo;
    VOID *pContentKey;
    VOID *pIV;
} D3DDDIARG_DECRYPTIONBLT;

typedef struct D3DDDIARG_GETPITCH {
    HANDLE hCryptoSession;
    HANDLE hResource;
    UINT SubResourceIndex;
    UINT Pitch; /* out */
} D3DDDIARG_GETPITCH;

/* Both parts big-endian in memory. */
typedef struct D3DAES_CTR_IV {
    UINT64 IV;
    UINT64 Count;
} D3DAES_CTR_IV;

/* ---- Resources ---- */

#define D3DDDIPOOL_SYSTEMMEM 1
#define D3DDDIPOOL_VIDEOMEMORY 2

#define D3DDDIFMT_A8R8G8B8 21
#define D3DDDIFMT_L8 50
#define D3DDDIFMT_BITSTREAMDATA 156

/* Bits of D3DDDIARG_CREATERESOURCE::Flags. */
#define D3DDDI_RESOURCE_RENDERTARGET (1u << 0)
#define D3DDDI_RESOURCE_NOTLOCKABLE (1u << 7)
#define D3DDDI_RESOURCE_RESTRICTEDCONTENT (1u << 30)

typedef struct D3DDDI_RATIONAL {
    UINT Numerator;
    UINT Denominator;
} D3DDDI_RATIONAL;

typedef struct D3DDDI_SURFACEINFO {
    UINT Width;
    UINT Height;
    UINT Depth;
    const VOID *pSysMem; /* the client's memory, if the pool is system memory */
    UINT SysMemPitch;
    UINT SysMemSlicePitch;
} D3DDDI_SURFACEINFO;

typedef struct D3DDDIARG_CREATERESOURCE {
    UINT Format;
    UINT Pool;
    UINT MultisampleType;
    UINT MultisampleQuality;
    const D3DDDI_SURFACEINFO *pSurfList;
    UINT SurfCount;
    UINT MipLevels;
    UINT Fvf;
    UINT VidPnSourceId;
    D3DDDI_RATIONAL RefreshRate;
    HANDLE hResource; /* in: the runtime's; out: the driver's */
    UINT Flags;
    UINT Rotation;
} D3DDDIARG_CREATERESOURCE;

typedef struct D3DDDIARG_CREATERESOURCE2 {
    UINT Format;
    UINT Pool;
    UINT MultisampleType;
    UINT MultisampleQuality;
    const D3DDDI_SURFACEINFO *pSurfList;
    UINT SurfCount;
    UINT MipLevels;
    UINT Fvf;
    UINT VidPnSourceId;
    D3DDDI_RATIONAL RefreshRate;
    HANDLE hResource;
    UINT Flags;
    UINT Rotation;
    UINT Flags2;
} D3DDDIARG_CREATERESOURCE2;

/* Bits of D3DDDIARG_LOCK::Flags. */
#define D3DDDI_LOCK_READONLY (1u << 0)
#define D3DDDI_LOCK_WRITEONLY (1u << 1)
#define D3DDDI_LOCK_DONOTWAIT (1u << 9)

typedef struct D3DDDIARG_LOCK {
    HANDLE hResource;
    UINT SubResourceIndex;
    UINT Region[6]; /* a range, an area or a box, which the flags tell apart */
    VOID *pSurfData; /* out */
    UINT Pitch; /* out */
    UINT SlicePitch; /* out */
    UINT Flags;
} D3DDDIARG_LOCK;

typedef struct D3DDDIARG_UNLOCK {
    HANDLE hResource;
    UINT SubResourceIndex;
    UINT Flags;
} D3DDDIARG_UNLOCK;

/* ---- Callbacks ---- */

typedef struct D3DDDICB_QUERYADAPTERINFO {
    VOID *pPrivateDriverData;
    UINT PrivateDriverDataSize;
} D3DDDICB_QUERYADAPTERINFO;

typedef struct D3DDDICB_CREATECONTEXT {
    UINT NodeOrdinal;
    UINT EngineAffinity;
    UINT Flags;
    VOID *pPrivateDriverData;
    UINT PrivateDriverDataSize;
    HANDLE hContext; /* out, as all below */
    VOID *pCommandBuffer;
    UINT CommandBufferSize;
    VOID *pAllocationList;
    UINT AllocationListSize;
    VOID *pPatchLocationList;
    UINT PatchLocationListSize;
    UINT64 CommandBuffer;
} D3DDDICB_CREATECONTEXT;

typedef struct D3DDDICB_DESTROYCONTEXT {
    HANDLE hContext;
} D3DDDICB_DESTROYCONTEXT;

typedef struct D3DDDICB_RENDER {
    UINT CommandLength;
    UINT CommandOffset;
    UINT NumAllocations;
    UINT NumPatchLocations;
    VOID *pNewCommandBuffer; /* out */
    UINT NewCommandBufferSize;
    VOID *pNewAllocationList; /* out */
    UINT NewAllocationListSize;
    VOID *pNewPatchLocationList; /* out */
    UINT NewPatchLocationListSize;
    UINT Flags;
    HANDLE hContext;
    UINT BroadcastContextCount;
    HANDLE BroadcastContext[64];
    ULONG QueuedBufferCount; /* out */
    UINT64 NewCommandBuffer; /* out */
    VOID *pPrivateDriverData;
    UINT PrivateDriverDataSize;
} D3DDDICB_RENDER;

typedef HRESULT (APIENTRY *PFND3DDDI_OTHERCB)(HANDLE, VOID *);

/* The first argument of each is the runtime's hDevice. */
typedef struct D3DDDI_DEVICECALLBACKS {
    PFND3DDDI_OTHERCB pfnAllocateCb;
    PFND3DDDI_OTHERCB pfnDeallocateCb;
    PFND3DDDI_OTHERCB pfnSetPriorityCb;
    PFND3DDDI_OTHERCB pfnQueryResidencyCb;
    PFND3DDDI_OTHERCB pfnSetDisplayModeCb;
    PFND3DDDI_OTHERCB pfnPresentCb;
    HRESULT (APIENTRY *pfnRenderCb)(HANDLE, D3DDDICB_RENDER *);
    PFND3DDDI_OTHERCB pfnLockCb;
    PFND3DDDI_OTHERCB pfnUnlockCb;
    PFND3DDDI_OTHERCB pfnEscapeCb;
    PFND3DDDI_OTHERCB pfnCreateOverlayCb;
    PFND3DDDI_OTHERCB pfnUpdateOverlayCb;
    PFND3DDDI_OTHERCB pfnFlipOverlayCb;
    PFND3DDDI_OTHERCB pfnDestroyOverlayCb;
    HRESULT (APIENTRY *pfnCreateContextCb)(HANDLE, D3DDDICB_CREATECONTEXT *);
    HRESULT (APIENTRY *pfnDestroyContextCb)(HANDLE, const D3DDDICB_DESTROYCONTEXT *);
    PFND3DDDI_OTHERCB pfnCreateSynchronizationObjectCb;
    PFND3DDDI_OTHERCB pfnDestroySynchronizationObjectCb;
    PFND3DDDI_OTHERCB pfnWaitForSynchronizationObjectCb;
    PFND3DDDI_OTHERCB pfnSignalSynchronizationObjectCb;
    PFND3DDDI_OTHERCB pfnSetAsyncCallbacksCb;
    PFND3DDDI_OTHERCB pfnSetDisplayPrivateDriverFormat;
} D3DDDI_DEVICECALLBACKS;

typedef struct D3DDDI_ADAPTERCALLBACKS {
    HRESULT (APIENTRY *pfnQueryAdapterInfoCb)(HANDLE, const D3DDDICB_QUERYADAPTERINFO *);
    PFND3DDDI_OTHERCB pfnGetMultisampleMethodListCb;
} D3DDDI_ADAPTERCALLBACKS;

/* ---- The device table: every entry takes the driver's hDevice first ---- */

/* An entry that has nothing to do with crypto sessions. */
typedef HRESULT (APIENTRY *PFND3DDDI_OTHER)(HANDLE, VOID *);

typedef struct D3DDDI_DEVICEFUNCS {
    /* From interface version Vista (0x000C). */
    PFND3DDDI_OTHER pfnSetRenderState;
    PFND3DDDI_OTHER pfnUpdateWInfo;
    PFND3DDDI_OTHER pfnValidateDevice;
    PFND3DDDI_OTHER pfnSetTextureStageState;
    PFND3DDDI_OTHER pfnSetTexture;
    PFND3DDDI_OTHER pfnSetPixelShader;
    PFND3DDDI_OTHER pfnSetPixelShaderConst;
    PFND3DDDI_OTHER pfnSetStreamSourceUm;
    PFND3DDDI_OTHER pfnSetIndices;
    PFND3DDDI_OTHER pfnSetIndicesUm;
    PFND3DDDI_OTHER pfnDrawPrimitive;
    PFND3DDDI_OTHER pfnDrawIndexedPrimitive;
    PFND3DDDI_OTHER pfnDrawRectPatch;
    PFND3DDDI_OTHER pfnDrawTriPatch;
    PFND3DDDI_OTHER pfnDrawPrimitive2;
    PFND3DDDI_OTHER pfnDrawIndexedPrimitive2;
    PFND3DDDI_OTHER pfnVolBlt;
    PFND3DDDI_OTHER pfnBufBlt;
    PFND3DDDI_OTHER pfnTexBlt;
    PFND3DDDI_OTHER pfnStateSet;
    PFND3DDDI_OTHER pfnSetPriority;
    PFND3DDDI_OTHER pfnClear;
    PFND3DDDI_OTHER pfnUpdatePalette;
    PFND3DDDI_OTHER pfnSetPalette;
    PFND3DDDI_OTHER pfnSetVertexShaderConst;
    PFND3DDDI_OTHER pfnMultiplyTransform;
    PFND3DDDI_OTHER pfnSetTransform;
    PFND3DDDI_OTHER pfnSetViewport;
    PFND3DDDI_OTHER pfnSetZRange;
    PFND3DDDI_OTHER pfnSetMaterial;
    PFND3DDDI_OTHER pfnSetLight;
    PFND3DDDI_OTHER pfnCreateLight;
    PFND3DDDI_OTHER pfnDestroyLight;
    PFND3DDDI_OTHER pfnSetClipPlane;
    PFND3DDDI_OTHER pfnGetInfo;
    HRESULT (APIENTRY *pfnLock)(HANDLE, D3DDDIARG_LOCK *);
    HRESULT (APIENTRY *pfnUnlock)(HANDLE, const D3DDDIARG_UNLOCK *);
    HRESULT (APIENTRY *pfnCreateResource)(HANDLE, D3DDDIARG_CREATERESOURCE *);
    HRESULT (APIENTRY *pfnDestroyResource)(HANDLE, HANDLE);
    PFND3DDDI_OTHER pfnSetDisplayMode;
    PFND3DDDI_OTHER pfnPresent;
    HRESULT (APIENTRY *pfnFlush)(HANDLE);
    PFND3DDDI_OTHER pfnCreateVertexShaderFunc;
    PFND3DDDI_OTHER pfnDeleteVertexShaderFunc;
    PFND3DDDI_OTHER pfnSetVertexShaderFunc;
    PFND3DDDI_OTHER pfnCreateVertexShaderDecl;
    PFND3DDDI_OTHER pfnDeleteVertexShaderDecl;
    PFND3DDDI_OTHER pfnSetVertexShaderDecl;
    PFND3DDDI_OTHER pfnSetVertexShaderConstI;
    PFND3DDDI_OTHER pfnSetVertexShaderConstB;
    PFND3DDDI_OTHER pfnSetScissorRect;
    PFND3DDDI_OTHER pfnSetStreamSource;
    PFND3DDDI_OTHER pfnSetStreamSourceFreq;
    PFND3DDDI_OTHER pfnSetConvolutionKernelMono;
    PFND3DDDI_OTHER pfnComposeRects;
    PFND3DDDI_OTHER pfnBlt;
    PFND3DDDI_OTHER pfnColorFill;
    PFND3DDDI_OTHER pfnDepthFill;
    PFND3DDDI_OTHER pfnCreateQuery;
    PFND3DDDI_OTHER pfnDestroyQuery;
    PFND3DDDI_OTHER pfnIssueQuery;
    PFND3DDDI_OTHER pfnGetQueryData;
    PFND3DDDI_OTHER pfnSetRenderTarget;
    PFND3DDDI_OTHER pfnSetDepthStencil;
    PFND3DDDI_OTHER pfnGenerateMipSubLevels;
    PFND3DDDI_OTHER pfnSetPixelShaderConstI;
    PFND3DDDI_OTHER pfnSetPixelShaderConstB;
    PFND3DDDI_OTHER pfnCreatePixelShader;
    PFND3DDDI_OTHER pfnDeletePixelShader;
    PFND3DDDI_OTHER pfnCreateDecodeDevice;
    PFND3DDDI_OTHER pfnDestroyDecodeDevice;
    PFND3DDDI_OTHER pfnSetDecodeRenderTarget;
    PFND3DDDI_OTHER pfnDecodeBeginFrame;
    PFND3DDDI_OTHER pfnDecodeEndFrame;
    PFND3DDDI_OTHER pfnDecodeExecute;
    PFND3DDDI_OTHER pfnDecodeExtensionExecute;
    PFND3DDDI_OTHER pfnCreateVideoProcessDevice;
    PFND3DDDI_OTHER pfnDestroyVideoProcessDevice;
    PFND3DDDI_OTHER pfnVideoProcessBeginFrame;
    PFND3DDDI_OTHER pfnVideoProcessEndFrame;
    PFND3DDDI_OTHER pfnSetVideoProcessRenderTarget;
    PFND3DDDI_OTHER pfnVideoProcessBlt;
    PFND3DDDI_OTHER pfnCreateExtensionDevice;
    PFND3DDDI_OTHER pfnDestroyExtensionDevice;
    PFND3DDDI_OTHER pfnExtensionExecute;
    PFND3DDDI_OTHER pfnCreateOverlay;
    PFND3DDDI_OTHER pfnUpdateOverlay;
    PFND3DDDI_OTHER pfnFlipOverlay;
    PFND3DDDI_OTHER pfnGetOverlayColorControls;
    PFND3DDDI_OTHER pfnSetOverlayColorControls;
    PFND3DDDI_OTHER pfnDestroyOverlay;
    HRESULT (APIENTRY *pfnDestroyDevice)(HANDLE);
    PFND3DDDI_OTHER pfnQueryResourceResidency;
    PFND3DDDI_OTHER pfnOpenResource;
    PFND3DDDI_OTHER pfnGetCaptureAllocationHandle;
    PFND3DDDI_OTHER pfnCaptureToSysMem;
    PFND3DDDI_OTHER pfnLockAsync;
    PFND3DDDI_OTHER pfnUnlockAsync;
    PFND3DDDI_OTHER pfnRename;
    /* From interface version Windows 7 (0x2003). */
    PFND3DDDI_OTHER pfnCreateVideoProcessor;
    PFND3DDDI_OTHER pfnSetVideoProcessBltState;
    PFND3DDDI_OTHER pfnGetVideoProcessBltStatePrivate;
    PFND3DDDI_OTHER pfnSetVideoProcessStreamState;
    PFND3DDDI_OTHER pfnGetVideoProcessStreamStatePrivate;
    PFND3DDDI_OTHER pfnVideoProcessBltHD;
    PFND3DDDI_OTHER pfnDestroyVideoProcessor;
    PFND3DDDI_OTHER pfnCreateAuthenticatedChannel;
    PFND3DDDI_OTHER pfnAuthenticatedChannelKeyExchange;
    PFND3DDDI_OTHER pfnQueryAuthenticatedChannel;
    PFND3DDDI_OTHER pfnConfigureAuthenticatedChannel;
    PFND3DDDI_OTHER pfnDestroyAuthenticatedChannel;
    HRESULT (APIENTRY *pfnCreateCryptoSession)(HANDLE, D3DDDIARG_CREATECRYPTOSESSION *);
    HRESULT (APIENTRY *pfnCryptoSessionKeyExchange)(HANDLE, D3DDDIARG_CRYPTOSESSIONKEYEXCHANGE *);
    HRESULT (APIENTRY *pfnDestroyCryptoSession)(HANDLE, const D3DDDIARG_DESTROYCRYPTOSESSION *);
    HRESULT (APIENTRY *pfnEncryptionBlt)(HANDLE, const D3DDDIARG_ENCRYPTIONBLT *);
    HRESULT (APIENTRY *pfnGetPitch)(HANDLE, D3DDDIARG_GETPITCH *);
    HRESULT (APIENTRY *pfnStartSessionKeyRefresh)(HANDLE, const D3DDDIARG_STARTSESSIONKEYREFRESH *);
    HRESULT (APIENTRY *pfnFinishSessionKeyRefresh)(HANDLE, const D3DDDIARG_FINISHSESSIONKEYREFRESH *);
    HRESULT (APIENTRY *pfnGetEncryptionBltKey)(HANDLE, const D3DDDIARG_GETENCRYPTIONBLTKEY *);
    HRESULT (APIENTRY *pfnDecryptionBlt)(HANDLE, const D3DDDIARG_DECRYPTIONBLT *);
    PFND3DDDI_OTHER pfnResolveSharedResource;
    /* From interface version Windows 8 (0x3004). */
    PFND3DDDI_OTHER pfnVolBlt1;
    PFND3DDDI_OTHER pfnBufBlt1;
    PFND3DDDI_OTHER pfnTexBlt1;
    PFND3DDDI_OTHER pfnDiscard;
    PFND3DDDI_OTHER pfnOfferResources;
    PFND3DDDI_OTHER pfnReclaimResources;
    PFND3DDDI_OTHER pfnCheckDirectFlipSupport;
    HRESULT (APIENTRY *pfnCreateResource2)(HANDLE, D3DDDIARG_CREATERESOURCE2 *);
    PFND3DDDI_OTHER pfnCheckMultiPlaneOverlaySupport;
    PFND3DDDI_OTHER pfnPresentMultiPlaneOverlay;
    /* From interface version WDDM 1.3 (0x4002). */
    void *pfnReserved1;
    HRESULT (APIENTRY *pfnFlush1)(HANDLE, UINT);
    PFND3DDDI_OTHER pfnCheckCounterInfo;
    PFND3DDDI_OTHER pfnCheckCounter;
    PFND3DDDI_OTHER pfnUpdateSubresourceUP;
    PFND3DDDI_OTHER pfnPresent1;
    PFND3DDDI_OTHER pfnCheckPresentDurationSupport;
    PFND3DDDI_OTHER pfnSetMarker;
    PFND3DDDI_OTHER pfnSetMarkerMode;
    /* From interface version WDDM 2.0 (0x5002). */
    PFND3DDDI_OTHER pfnTrimResidencySet;
    /* From interface version WDDM 2.1 (0x6001). */
    PFND3DDDI_OTHER pfnAcquireResource;
    PFND3DDDI_OTHER pfnReleaseResource;
} D3DDDI_DEVICEFUNCS;

/* ---- Opening ---- */

typedef struct D3DDDIARG_CREATEDEVICE {
    HANDLE hDevice; /* in: the runtime's; out: the driver's */
    UINT Interface;
    UINT Version;
    const D3DDDI_DEVICECALLBACKS *pCallbacks;
    VOID *pCommandBuffer;
    UINT CommandBufferSize;
    VOID *pAllocationList;
    UINT AllocationListSize;
    VOID *pPatchLocationList;
    UINT PatchLocationListSize;
    D3DDDI_DEVICEFUNCS *pDeviceFuncs; /* the driver fills what it points to */
    UINT Flags;
    UINT64 CommandBuffer; /* from interface version Windows 7 */
} D3DDDIARG_CREATEDEVICE;

typedef struct D3DDDI_ADAPTERFUNCS {
    HRESULT (APIENTRY *pfnGetCaps)(HANDLE, const D3DDDIARG_GETCAPS *);
    HRESULT (APIENTRY *pfnCreateDevice)(HANDLE, D3DDDIARG_CREATEDEVICE *);
    HRESULT (APIENTRY *pfnCloseAdapter)(HANDLE);
} D3DDDI_ADAPTERFUNCS;

typedef struct D3DDDIARG_OPENADAPTER {
    HANDLE hAdapter; /* in: the runtime's; out: the driver's */
    UINT Interface;
    UINT Version;
    const D3DDDI_ADAPTERCALLBACKS *pAdapterCallbacks;
    D3DDDI_ADAPTERFUNCS *pAdapterFuncs; /* the driver fills what it points to */
    UINT DriverVersion; /* out */
} D3DDDIARG_OPENADAPTER;

/* The one export of a driver. */
typedef HRESULT (APIENTRY *PFND3DDDI_OPENADAPTER)(D3DDDIARG_OPENADAPTER *);

#ifdef __cplusplus
}
#endif

#endif
