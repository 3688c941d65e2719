//! A submitted buffer as an upload: into a surface of its own, and out of it again.

use rekeylab_abi::{Device, DriverHandle, SystemMemory};
use rekeylab_ddi::{CtrIv, Hresult, SubmitBuffer};

use super::driver::TableDriver;
use crate::observation::ReadBack;

/// A buffer that the driver has accepted.
pub(super) struct Upload {
    pub(super) of: Accepted,
    pub(super) state: State,
}

/// What is known of a buffer since it was accepted.
#[derive(Clone, Copy)]
pub(super) struct Accepted {
    pub(super) fence: u64,
    pub(super) session: usize,
    /// Its length, in bytes.
    pub(super) len: usize,
    /// The length of its surface, in bytes.
    pub(super) surface_len: u32,
    /// Whether the device was gone before: then it has no content.
    pub(super) is_lost: bool,
}

/// What will become of an upload.
pub(super) enum State {
    /// The bytes are in a surface, once the driver has come so far.
    Waits { device: usize, source: SystemMemory, surface: DriverHandle },
    /// They were taken out of the surface before its device was destroyed, or the session that reads it.
    Read(Result<Vec<u8>, Hresult>),
}

/// The resources of an upload.
pub(super) struct Resources {
    pub(super) source: SystemMemory,
    pub(super) surface: DriverHandle,
    pub(super) surface_len: u32,
}

impl TableDriver {
    /// Takes the bytes of a surface, and gives the surface back.
    pub(super) fn read(&self, upload: Upload) -> Result<Vec<u8>, Hresult> {
        let is_lost = upload.of.is_lost;
        let read = self.read_anyway(upload.of, upload.state);
        if is_lost { Err(Hresult::D3DDDIERR_DEVICEREMOVED) } else { read }
    }

    fn read_anyway(&self, of: Accepted, state: State) -> Result<Vec<u8>, Hresult> {
        match state {
            State::Read(read) => read,
            State::Waits { device: index, source, surface } => {
                let device = self.devices[index].as_ref();
                let device = device.ok_or(Hresult::D3DDDIERR_DEVICEREMOVED)?;
                let read = match self.read_back(device, of, surface) {
                    Some(read) => read,
                    None => lock(device, surface, of.len),
                };
                device.destroy_resource(surface);
                device.destroy_resource(source.resource);
                read
            }
        }
    }

    /// Takes everything that waits out of its surface which would not be there any more behind what comes.
    pub(super) fn read_before_the_end(&mut self, ends: impl Fn(&Accepted, usize) -> bool) {
        for mut upload in core::mem::take(&mut self.uploads) {
            if let State::Waits { device, .. } = upload.state
                && ends(&upload.of, device)
            {
                let read = self.read_anyway(upload.of, upload.state);
                upload = Upload { of: upload.of, state: State::Read(read) };
            }
            self.uploads.push_back(upload);
        }
    }

    /// Reads a surface by `EncryptionBlt` and decrypts it as the client; `None` if that is not wanted, or nothing is
    /// left to be read. Where the driver refuses, there are zeros in the place of the bytes, and a note.
    fn read_back(
        &self,
        device: &Device,
        of: Accepted,
        surface: DriverHandle,
    ) -> Option<Result<Vec<u8>, Hresult>> {
        let session = self.sessions.get(of.session).filter(|session| session.is_alive)?;
        let keys = session.keys.as_ref().filter(|_| !of.is_lost)?;
        let Some((code, target)) = device.create_system_memory(of.surface_len) else {
            return Some(Err(Hresult::E_NOTIMPL));
        };
        let Some(target) = target else { return Some(Err(code)) };
        let answer = device.encryption_blt(session.handle, surface, &target);
        let mut bytes = target.read();
        device.destroy_resource(target.resource);
        let (code, counter) = answer.unwrap_or((Hresult::E_NOTIMPL, CtrIv::new(0, 0)));
        let refusal = Some(code).filter(|code| !code.is_ok());
        self.seams.note_read_back(ReadBack {
            fence: of.fence,
            iv: counter.iv_number(),
            count: counter.count_number(),
            len: of.surface_len,
            refusal,
        });
        match refusal {
            Some(_) => bytes.fill(0),
            None => keys.decrypt(counter, &mut bytes),
        }
        bytes.resize(of.len, 0);
        Some(Ok(bytes))
    }

    /// Makes the resources of an upload and has the driver accept it.
    pub(super) fn upload(
        &self,
        device: &Device,
        session: DriverHandle,
        args: &SubmitBuffer<'_>,
    ) -> Result<Resources, Hresult> {
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
            Ok(surface) => Ok(Resources { source, surface, surface_len: owned_len }),
            Err(code) => {
                device.destroy_resource(source.resource);
                Err(code)
            }
        }
    }
}

/// The bytes of a surface, by `Lock`.
fn lock(device: &Device, surface: DriverHandle, len: usize) -> Result<Vec<u8>, Hresult> {
    match device.read_surface(surface, len) {
        None => Err(Hresult::E_NOTIMPL),
        Some((code, _)) if !code.is_ok() => Err(code),
        Some((_, None)) => Err(Hresult::E_POINTER),
        Some((_, Some(bytes))) => Ok(bytes),
    }
}
