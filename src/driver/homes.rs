//! Where the core keeps its secrets, said aloud for the workbench only.

use rekeylab_ddi::SessionHandle;

/// What a place of sixteen bytes is for.
///
/// A secret anywhere else than in a home that is for it is residue (INV-06); a home that has no
/// secret at the moment holds zeros.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum HomeOf {
    /// K, the key in force of a live session.
    Key(SessionHandle),
    /// R of a live session, between start and finish.
    Random(SessionHandle),
    /// The one-way mark of a live session's last R (S-12), which is no secret itself.
    LastMark(SessionHandle),
    /// B, the read-back key of a live session, until finish (S-19).
    ReadBackKey(SessionHandle),
    /// The one-way mark of a live session's last B (INV-13), which is no secret itself.
    ReadBackMark(SessionHandle),
    /// The key that a command captured when it was submitted (S-17), until it completes.
    BoundKey {
        /// The fence that its submission answered.
        fence: u64,
    },
}
