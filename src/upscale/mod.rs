//! The library's main interface: an [`Upscaler`] loads a model on a device and
//! upscales images, with progress and cancellation. The [crate's page](crate)
//! begins with an example.

mod blend;
mod budget;
mod consistency;
pub mod defaults;
mod device;
mod device_tuning;
mod error;
mod export;
mod fidelity;
mod finish;
mod free_memory;
mod graphs;
mod open;
mod progress;
mod reverse;
mod sample_options;
mod select;
mod spread;
mod steps;
mod target;
mod tiled;
mod tiling;
#[cfg(feature = "gpu")]
mod tune;
mod upscaler;

pub use device::{CpuSummary, Device, DeviceError, PrecisionChoice};
pub use device_tuning::FIRST_USE;
pub use error::{Shortage, TooLarge, UpscaleError};
pub use export::{Constant, Export, Run};
pub use finish::OnRows;
pub use open::{OpenDevice, OpenError};
pub use progress::{OnProgress, Progress};
pub use sample_options::{MOST_STRENGTH, SampleOptions};
pub use select::{DeviceChoice, Selected, select};
pub use spread::Spread;
pub(crate) use steps::record_of;
pub use steps::{kept_steps, step_record};
pub use tiling::{SMALLEST_TILE, TileChoice, Tiles};
pub use upscaler::{NextTry, Report, Retry, Upscaler, UpscalerOptions};
