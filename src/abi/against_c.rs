//! Every size and offset here against those of the C header, as the system's compiler has them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use crate::callbacks::{self, DeviceCallbacks};
use crate::layout::Laid;
use crate::table::{self, DeviceFuncs};
use crate::{opening, resource, session};

/// A structure: its name in C, its size here, and its members with their names in C and offsets here.
struct Structure {
    name: &'static str,
    size: usize,
    members: Vec<(String, usize)>,
}

fn structure<T: Laid>(name: &'static str, members: &str) -> Structure {
    let names: Vec<&str> = members.split_whitespace().collect();
    assert_eq!(names.len(), T::MEMBERS.len(), "{name}");
    let members = names.iter().zip(T::MEMBERS).map(|(name, (_, at))| ((*name).to_owned(), *at));
    Structure { name, size: size_of::<T>(), members: members.collect() }
}

/// A table of functions.
fn table<T: Laid>(name: &'static str, names: impl Iterator<Item = String>) -> Structure {
    let members =
        (0..).zip(names).map(|(index, name): (usize, _)| (name, index * size_of::<usize>()));
    Structure { name, size: size_of::<T>(), members: members.collect() }
}

fn structures() -> Vec<Structure> {
    let callback = |&name: &&str| match name {
        "SetDisplayPrivateDriverFormat" => format!("pfn{name}"),
        _ => format!("pfn{name}Cb"),
    };
    vec![
        table::<DeviceFuncs>(
            "D3DDDI_DEVICEFUNCS",
            table::NAMES.iter().map(|name| format!("pfn{name}")),
        ),
        table::<DeviceCallbacks>("D3DDDI_DEVICECALLBACKS", callbacks::NAMES.iter().map(callback)),
        structure::<opening::OpenAdapter>(
            "D3DDDIARG_OPENADAPTER",
            "hAdapter Interface Version pAdapterCallbacks pAdapterFuncs DriverVersion",
        ),
        structure::<opening::AdapterFuncs>(
            "D3DDDI_ADAPTERFUNCS",
            "pfnGetCaps pfnCreateDevice pfnCloseAdapter",
        ),
        structure::<callbacks::AdapterCallbacks>(
            "D3DDDI_ADAPTERCALLBACKS",
            "pfnQueryAdapterInfoCb pfnGetMultisampleMethodListCb",
        ),
        structure::<opening::CreateDevice>(
            "D3DDDIARG_CREATEDEVICE",
            "hDevice Interface Version pCallbacks pCommandBuffer CommandBufferSize pAllocationList \
             AllocationListSize pPatchLocationList PatchLocationListSize pDeviceFuncs Flags CommandBuffer",
        ),
        structure::<opening::GetCaps>("D3DDDIARG_GETCAPS", "Type pInfo pData DataSize"),
        structure::<opening::ContentProtectionQuery>(
            "DDICONTENTPROTECTIONCAPS",
            "CryptoType DecodeProfile",
        ),
        structure::<opening::CertificateInfo>(
            "DDICERTIFICATEINFO",
            "CertificateType ChannelType CryptoSessionType",
        ),
        structure::<opening::ContentProtectionCaps>(
            "D3DCONTENTPROTECTIONCAPS",
            "Caps KeyExchangeType BufferAlignmentStart BlockAlignmentSize ProtectedMemorySize",
        ),
        structure::<session::AlignedGuid>("GUID", ""),
        structure::<session::CreateCryptoSession>(
            "D3DDDIARG_CREATECRYPTOSESSION",
            "CryptoType DecodeProfile hCryptoSession",
        ),
        structure::<session::CryptoSessionKeyExchange>(
            "D3DDDIARG_CRYPTOSESSIONKEYEXCHANGE",
            "hCryptoSession DataSize pData",
        ),
        structure::<session::DestroyCryptoSession>(
            "D3DDDIARG_DESTROYCRYPTOSESSION",
            "hCryptoSession",
        ),
        structure::<session::StartSessionKeyRefresh>(
            "D3DDDIARG_STARTSESSIONKEYREFRESH",
            "hCryptoSession pRandomNumber RandomNumberSize",
        ),
        structure::<session::FinishSessionKeyRefresh>(
            "D3DDDIARG_FINISHSESSIONKEYREFRESH",
            "hCryptoSession",
        ),
        structure::<session::GetEncryptionBltKey>(
            "D3DDDIARG_GETENCRYPTIONBLTKEY",
            "hCryptoSession pReadBackKey KeySize",
        ),
        structure::<session::EncryptionBlt>(
            "D3DDDIARG_ENCRYPTIONBLT",
            "hCryptoSession hSrcResource SrcSubResourceIndex hDstResource DstSubResourceIndex \
             DstResourceSize pIV",
        ),
        structure::<session::EncryptedBlockInfo>(
            "D3DDDIENCRYPTED_BLOCK_INFO",
            "NumEncryptedBytesAtBeginning NumBytesInSkipPattern NumBytesInEncryptPattern",
        ),
        structure::<session::DecryptionBlt>(
            "D3DDDIARG_DECRYPTIONBLT",
            "hCryptoSession hSrcResource SrcSubResourceIndex hDstResource DstSubResourceIndex \
             SrcResourceSize pEncryptedBlockInfo pContentKey pIV",
        ),
        structure::<session::GetPitch>(
            "D3DDDIARG_GETPITCH",
            "hCryptoSession hResource SubResourceIndex Pitch",
        ),
        structure::<session::CtrIv>("D3DAES_CTR_IV", "IV Count"),
        structure::<resource::SurfaceInfo>(
            "D3DDDI_SURFACEINFO",
            "Width Height Depth pSysMem SysMemPitch SysMemSlicePitch",
        ),
        structure::<resource::CreateResource>(
            "D3DDDIARG_CREATERESOURCE",
            "Format Pool MultisampleType MultisampleQuality pSurfList SurfCount MipLevels Fvf \
             VidPnSourceId RefreshRate hResource Flags Rotation",
        ),
        structure::<resource::CreateResource2>("D3DDDIARG_CREATERESOURCE2", "Format Flags2"),
        structure::<resource::Lock>(
            "D3DDDIARG_LOCK",
            "hResource SubResourceIndex Region pSurfData Pitch SlicePitch Flags",
        ),
        structure::<resource::Unlock>("D3DDDIARG_UNLOCK", "hResource SubResourceIndex Flags"),
        structure::<callbacks::QueryAdapterInfo>(
            "D3DDDICB_QUERYADAPTERINFO",
            "pPrivateDriverData PrivateDriverDataSize",
        ),
        structure::<callbacks::CreateContext>(
            "D3DDDICB_CREATECONTEXT",
            "NodeOrdinal EngineAffinity Flags pPrivateDriverData PrivateDriverDataSize hContext \
             pCommandBuffer CommandBufferSize pAllocationList AllocationListSize pPatchLocationList \
             PatchLocationListSize CommandBuffer",
        ),
        structure::<callbacks::DestroyContext>("D3DDDICB_DESTROYCONTEXT", "hContext"),
        structure::<callbacks::Render>(
            "D3DDDICB_RENDER",
            "CommandLength CommandOffset NumAllocations NumPatchLocations pNewCommandBuffer \
             NewCommandBufferSize pNewAllocationList NewAllocationListSize pNewPatchLocationList \
             NewPatchLocationListSize Flags hContext BroadcastContextCount BroadcastContext \
             QueuedBufferCount NewCommandBuffer pPrivateDriverData PrivateDriverDataSize",
        ),
    ]
}

/// A program that prints `NAME size` and `NAME.MEMBER offset`.
fn program(structures: &[Structure]) -> String {
    let mut text =
        "#include \"d3dumddi_crypto.h\"\n#include <stddef.h>\n#include <stdio.h>\n".to_owned();
    text.push_str("int main(void) {\n");
    for Structure { name, members, .. } in structures {
        writeln!(text, "printf(\"{name} %zu\\n\", sizeof({name}));").unwrap();
        for (member, _) in members {
            writeln!(text, "printf(\"{name}.{member} %zu\\n\", offsetof({name}, {member}));")
                .unwrap();
        }
    }
    text.push_str("return 0;\n}\n");
    text
}

/// What the program prints, compiled by `compiler` with these options.
fn printed(compiler: &str, options: &[&str], source: &Path) -> BTreeMap<String, usize> {
    let program = source.with_extension(format!("of-{compiler}{}", options.concat()));
    let include = Path::new(env!("CARGO_MANIFEST_DIR")).join("include");
    let mut command = Command::new(compiler);
    command.args(options).args(["-Wall", "-Wextra", "-Werror", "-I"]).arg(include);
    let compiled = command.arg(source).arg("-o").arg(&program).output().unwrap();
    let errors = String::from_utf8_lossy(&compiled.stderr);
    assert!(compiled.status.success(), "{compiler} {options:?}: {errors}");
    let output = Command::new(&program).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line = |line: &str| {
        let (name, number) = line.split_once(' ').unwrap();
        (name.to_owned(), number.parse().unwrap())
    };
    text.lines().map(line).collect()
}

#[test]
fn every_size_and_offset_is_that_of_c_and_of_cpp() {
    let structures = structures();
    let directory = tempfile::tempdir().unwrap();
    for (compiler, options, name) in [
        ("cc", &[][..], "layout.c"),
        ("cc", &["-std=c99", "-DREKEYLAB_WIN64_ABI"], "windows.c"),
        ("c++", &["-std=c++17"], "layout.cpp"),
    ] {
        let source = directory.path().join(name);
        std::fs::write(&source, program(&structures)).unwrap();
        let printed = printed(compiler, options, &source);
        for Structure { name, size, members } in &structures {
            assert_eq!(printed[*name], *size, "{compiler}: {name}");
            for (member, offset) in members {
                assert_eq!(
                    printed[&format!("{name}.{member}")],
                    *offset,
                    "{compiler}: {name}.{member}"
                );
            }
        }
    }
}
