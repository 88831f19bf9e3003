use super::kernel::{Kernel, Source};
use crate::plan::{Layout, PlannedValue};

fn layout(value: &PlannedValue) -> usize {
    match value.format.layout {
        Layout::ChannelsLast => 0,
        Layout::ChannelBlocks4 => 1,
        Layout::ChannelsFirst => 2,
    }
}

pub fn lower(source: &Source) -> Kernel {
    let (x, y) = (source.input(0), source.output(0));
    Kernel::new("convert")
        .number("X_LAYOUT", layout(x))
        .number("Y_LAYOUT", layout(y))
        .size(x)
        .uniform("channels", x.shape.c)
        .uniform("x_first", x.channel_offset)
        .uniform("x_channels", x.channel_stride)
        .uniform("y_first", y.channel_offset)
        .uniform("y_channels", y.channel_stride)
        .input("x", source, 0)
        .output("y", source, 0)
        .pixel_grid(x, x.shape.n * x.shape.c.div_ceil(4))
}
