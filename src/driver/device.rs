//! Devices, and how a handle says which session of which device it means.

use rekeylab_ddi::{DeviceHandle, Hresult, SessionHandle};

use crate::limits::{DEVICES_MAX, SESSIONS_MAX};
use crate::session::Session;
use crate::table::{Place, Table};

/// The open devices of an adapter.
#[derive(Debug)]
pub(crate) struct Devices {
    devices: Table<Device, DEVICES_MAX>,
    generations_max: u32,
}

/// The sessions that one device created, and owns.
pub(crate) type Device = Table<Session, SESSIONS_MAX>;

impl Devices {
    /// No device yet.
    pub(crate) fn new(generations_max: u32) -> Self {
        Self { devices: Table::new(generations_max), generations_max }
    }

    /// Where the next device would go, or `None` when there is no room for one.
    pub(crate) fn vacancy(&self) -> Option<Place> {
        self.devices.vacancy()
    }

    /// How many devices are open.
    pub(crate) fn count(&mut self) -> usize {
        self.devices.iter_mut().count()
    }

    /// Opens a device where [`vacancy`](Self::vacancy) said.
    pub(crate) fn open(&mut self, place: Place) -> DeviceHandle {
        self.devices.fill(place, Device::new(self.generations_max));
        device_handle(place)
    }

    /// Takes a device away with all its sessions; their handles never resolve again.
    pub(crate) fn close(&mut self, device: DeviceHandle) -> Result<Device, Hresult> {
        let place = device_place(device).ok_or(Hresult::D3DDDIERR_INVALIDHANDLE)?;
        self.devices.remove(place).ok_or(Hresult::D3DDDIERR_INVALIDHANDLE)
    }

    /// Finds a live device.
    pub(crate) fn find_device(
        &mut self,
        device: DeviceHandle,
    ) -> Result<(Place, &mut Device), Hresult> {
        let place = device_place(device).ok_or(Hresult::D3DDDIERR_INVALIDHANDLE)?;
        let device = self.devices.get_mut(place).ok_or(Hresult::D3DDDIERR_INVALIDHANDLE)?;
        Ok((place, device))
    }

    /// Finds a live session on the device that created it (R-01, R-02, INV-07).
    ///
    /// Semantics decision: unknown, dead, worn-out, foreign and NULL handles have one answer, so that
    /// no caller learns about the sessions of another device (S-23, S-44, INV-07). `E_INVALIDARG` is
    /// left to pointers to data that are NULL (S-15).
    pub(crate) fn find(
        &mut self,
        device: DeviceHandle,
        session: SessionHandle,
    ) -> Result<(SessionPlace, &mut Session), Hresult> {
        let (device, _) = self.find_device(device)?;
        let place = session_place(session).ok_or(Hresult::D3DDDIERR_INVALIDHANDLE)?;
        if place.device != device {
            return Err(Hresult::D3DDDIERR_INVALIDHANDLE);
        }
        let session = self.at(place).ok_or(Hresult::D3DDDIERR_INVALIDHANDLE)?;
        Ok((place, session))
    }

    /// Ends a live session; its handle never resolves again. Dropping it erases its secrets.
    pub(crate) fn remove(&mut self, place: SessionPlace) -> Option<Session> {
        self.devices.get_mut(place.device)?.remove(place.session)
    }

    /// The live session in a place.
    pub(crate) fn at(&mut self, place: SessionPlace) -> Option<&mut Session> {
        self.devices.get_mut(place.device)?.get_mut(place.session)
    }

    /// Every live session, in the order of the slots.
    #[cfg(feature = "homes")]
    pub(crate) fn sessions(&self) -> impl Iterator<Item = (SessionPlace, &Session)> {
        self.devices.iter().flat_map(|(device, sessions)| {
            let place = move |session| SessionPlace { device, session };
            sessions.iter().map(move |(session, value)| (place(session), value))
        })
    }

    /// Writes the state of every device; see [`Adapter::write_state`](crate::Adapter::write_state).
    #[cfg(feature = "homes")]
    pub(crate) fn write_state(&self, sink: &mut crate::observe::StateSink<'_>) {
        // The bound on generations never changes.
        let Self { devices, generations_max: _ } = self;
        devices
            .write_state(sink, |sessions, sink| sessions.write_state(sink, Session::write_state));
    }

    /// Every live session, in the order of the slots, to be changed.
    pub(crate) fn sessions_mut(&mut self) -> impl Iterator<Item = (SessionPlace, &mut Session)> {
        self.devices.iter_mut().flat_map(|(device, sessions)| {
            let place = move |session| SessionPlace { device, session };
            sessions.iter_mut().map(move |(session, value)| (place(session), value))
        })
    }
}

/// A session as its handle names it: the owner is part of the name (S-24).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SessionPlace {
    pub(crate) device: Place,
    pub(crate) session: Place,
}

// A handle's 64 bits: kind (8), device index (4), device generation (24), session index (4),
// session generation (24). The kind tells a device from a session and both from small numbers.
const DEVICE_KIND: u64 = 0xD1;
const SESSION_KIND: u64 = 0x5E;
const INDEX_MASK: u64 = 0xF;
const _: () = assert!(DEVICES_MAX <= 16 && SESSIONS_MAX <= 16, "an index has four bits");
const GENERATION_MASK: u64 = GENERATION_MAX as u64;

/// The last generation that a handle has room for.
pub(crate) const GENERATION_MAX: u32 = (1 << 24) - 1;

/// The handle of the device in this place.
fn device_handle(place: Place) -> DeviceHandle {
    DeviceHandle(DEVICE_KIND << 56 | pack(place) << 28)
}

/// The place that a device handle names, if it is one.
fn device_place(handle: DeviceHandle) -> Option<Place> {
    let is_device = handle.0 >> 56 == DEVICE_KIND && handle.0 & ((1 << 28) - 1) == 0;
    is_device.then(|| unpack(handle.0 >> 28))
}

/// The handle of the session in this place.
pub(crate) fn session_handle(place: SessionPlace) -> SessionHandle {
    SessionHandle(SESSION_KIND << 56 | pack(place.device) << 28 | pack(place.session))
}

/// The place that a session handle names, if it is one.
fn session_place(handle: SessionHandle) -> Option<SessionPlace> {
    (handle.0 >> 56 == SESSION_KIND)
        .then(|| SessionPlace { device: unpack(handle.0 >> 28), session: unpack(handle.0) })
}

fn pack(place: Place) -> u64 {
    (place.index as u64 & INDEX_MASK) << 24 | u64::from(place.generation) & GENERATION_MASK
}

fn unpack(bits: u64) -> Place {
    let index = usize::try_from(bits >> 24 & INDEX_MASK).expect("four bits fit");
    let generation = u32::try_from(bits & GENERATION_MASK).expect("24 bits fit");
    Place { index, generation }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_lead_back_to_their_place() {
        for index in [0, 1, 7, 15] {
            for generation in [1, 2, 0xFF_FFFF] {
                let place = Place { index, generation };
                assert_eq!(device_place(device_handle(place)), Some(place));
                let place = SessionPlace { device: place, session: place };
                assert_eq!(session_place(session_handle(place)), Some(place));
            }
        }
    }

    #[test]
    fn small_numbers_and_handles_of_the_other_kind_are_no_handles() {
        for forged in [0, 1, u64::MAX, 0x1000, 0xD1 << 56 | 1] {
            assert_eq!(device_place(DeviceHandle(forged)), None, "{forged:#x}");
        }
        let place = Place { index: 0, generation: 1 };
        assert_eq!(session_place(SessionHandle(device_handle(place).0)), None);
        let place = SessionPlace { device: place, session: place };
        assert_eq!(device_place(DeviceHandle(session_handle(place).0)), None);
    }
}
