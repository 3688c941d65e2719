//! Layers that the environment leaves out, as if this machine had no port of them.

use std::sync::OnceLock;

use crate::observation::Layers;

/// The layers that `REKEYLAB_WITHOUT_LAYERS=stack,registers` says are not to be looked into.
///
/// It is how one sees, anywhere, what each command does on a machine that has no port of them: they are
/// missing by name wherever they would be on such a machine.
///
/// # Errors
///
/// When it names a layer that there is not.
pub fn layers_left_out() -> Result<Layers, UnknownLayer> {
    static LEFT_OUT: OnceLock<Result<Layers, UnknownLayer>> = OnceLock::new();
    let read = || {
        let names = std::env::var(WITHOUT_LAYERS).unwrap_or_default();
        Layers::from_names(&names).map_err(|name| UnknownLayer(name.to_owned()))
    };
    LEFT_OUT.get_or_init(read).clone()
}

/// A name that no layer has.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("REKEYLAB_WITHOUT_LAYERS: there is no layer {0:?}; there are: {names}", names = Layers::ALL.names().join(", "))]
pub struct UnknownLayer(String);

/// The variable of the environment that leaves layers out.
const WITHOUT_LAYERS: &str = "REKEYLAB_WITHOUT_LAYERS";
