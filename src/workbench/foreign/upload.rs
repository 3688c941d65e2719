//! A submitted buffer as an upload: into a surface of its own, and out of it again.

use rekeylab_abi::{Device, DriverHandle, SystemMemory};
use rekeylab_ddi::{Hresult, SubmitBuffer};

use super::driver::TableDriver;

/// A buffer that the driver has accepted.
pub(super) struct Upload {
    pub(super) fence: u64,
    pub(super) session: usize,
    pub(super) len: usize,
    /// Whether the device was gone before: then it has no content.
    pub(super) is_lost: bool,
    pub(super) state: State,
}

/// What will become of an upload.
pub(super) enum State {
    /// The bytes are in a surface, once the driver has come so far.
    Waits { device: usize, source: SystemMemory, surface: DriverHandle },
    /// They were taken out of the surface before its device was destroyed.
    Read(Result<Vec<u8>, Hresult>),
}

impl TableDriver {
    /// Takes the bytes of a surface, and gives the surface back.
    pub(super) fn read(&self, upload: Upload) -> Result<Vec<u8>, Hresult> {
        let read = self.read_anyway(upload.len, upload.state);
        if upload.is_lost { Err(Hresult::D3DDDIERR_DEVICEREMOVED) } else { read }
    }

    pub(super) fn read_anyway(&self, len: usize, state: State) -> Result<Vec<u8>, Hresult> {
        match state {
            State::Read(read) => read,
            State::Waits { device, source, surface } => {
                let device = self.devices[device].as_ref();
                let device = device.ok_or(Hresult::D3DDDIERR_DEVICEREMOVED)?;
                let read = device.read_surface(surface, len);
                device.destroy_resource(surface);
                device.destroy_resource(source.resource);
                match read {
                    None => Err(Hresult::E_NOTIMPL),
                    Some((code, _)) if !code.is_ok() => Err(code),
                    Some((_, None)) => Err(Hresult::E_POINTER),
                    Some((_, Some(bytes))) => Ok(bytes),
                }
            }
        }
    }

    /// Makes the resources of an upload and has the driver accept it.
    pub(super) fn upload(
        &self,
        device: &Device,
        session: DriverHandle,
        args: &SubmitBuffer<'_>,
    ) -> Result<(SystemMemory, DriverHandle), Hresult> {
        let data = args.data.ok_or_else(|| self.refuse(Hresult::E_INVALIDARG))?;
        let owned_len = u32::try_from(data.len()).unwrap_or(u32::MAX).max(self.limits.block_bytes);
        let (code, source) = device.create_system_memory(owned_len).ok_or(Hresult::E_NOTIMPL)?;
        let mut source = source.ok_or(code)?;
        source.write(data);
        let (code, surface) = device.create_surface(owned_len).ok_or(Hresult::E_NOTIMPL)?;
        let accepted = match surface {
            None => Err(code),
            Some(surface) => {
                let counter = args.iv.copied();
                let code = device.decryption_blt(session, &source, surface, args.data_len, counter);
                match code.unwrap_or(Hresult::E_NOTIMPL) {
                    code if code.is_ok() => Ok(surface),
                    code => {
                        device.destroy_resource(surface);
                        Err(code)
                    }
                }
            }
        };
        match accepted {
            Ok(surface) => Ok((source, surface)),
            Err(code) => {
                device.destroy_resource(source.resource);
                Err(code)
            }
        }
    }
}
