//! What PulseAudio says of a device's channels.

use std::ffi::CString;

use pulseaudio::protocol::{
    ChannelMap, ChannelPosition as Pulse, Command, GetSourceInfo, SourceInfo,
};

use super::link::{self, Link};
use crate::Format;
use crate::sound::mixdown::{Layout, Position};

/// What the channels of the input called `name` are, as they come in a stream of ours.
pub(super) fn layout(name: CString) -> link::Result<Layout> {
    let ask = Command::GetSourceInfo(GetSourceInfo { index: None, name: Some(name) });
    let source: SourceInfo = Link::open()?.ask(&ask)?;
    let positions: Vec<Position> = (&source.channel_map).into_iter().map(position).collect();
    Ok(Layout::from_positions(&positions))
}

fn position(said: Pulse) -> Position {
    match said {
        Pulse::FrontLeft => Position::FrontLeft,
        Pulse::FrontRight => Position::FrontRight,
        Pulse::FrontCenter => Position::FrontCentre,
        Pulse::Lfe => Position::Lfe,
        Pulse::RearLeft => Position::BackLeft,
        Pulse::RearRight => Position::BackRight,
        Pulse::RearCenter => Position::BackCentre,
        Pulse::FrontLeftOfCenter => Position::FrontLeftOfCentre,
        Pulse::FrontRightOfCenter => Position::FrontRightOfCentre,
        Pulse::SideLeft => Position::SideLeft,
        Pulse::SideRight => Position::SideRight,
        Pulse::TopCenter => Position::TopCentre,
        Pulse::TopFrontLeft => Position::TopFrontLeft,
        Pulse::TopFrontRight => Position::TopFrontRight,
        Pulse::TopFrontCenter => Position::TopFrontCentre,
        Pulse::TopRearLeft => Position::TopBackLeft,
        Pulse::TopRearRight => Position::TopBackRight,
        Pulse::TopRearCenter => Position::TopBackCentre,
        // A mono channel among others, and those with a number alone.
        _ => Position::Unknown,
    }
}

/// The device's own arrangement of channels, which the server hands over as it is.
pub(super) fn as_it_is(device: ChannelMap, format: Format) -> ChannelMap {
    if u16::from(device.num_channels()) == format.channels {
        return device;
    }
    ChannelMap::new((0..format.channels).map(|_| Pulse::Mono))
}

/// The device's channels with front left and right first, wherever the device has them: what is
/// played there is written to the first two. The server puts each where it belongs.
pub(super) fn fronts_first(device: ChannelMap, format: Format) -> ChannelMap {
    let place = |position: &Pulse| match position {
        Pulse::FrontLeft => 0,
        Pulse::FrontRight => 1,
        _ => 2,
    };
    let mut positions: Vec<Pulse> = (&as_it_is(device, format)).into_iter().collect();
    // Stable: the others keep their order.
    positions.sort_by_key(place);
    ChannelMap::new(positions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_played_goes_to_the_fronts_wherever_a_device_has_them() {
        use Pulse::{Aux0, Aux1, FrontCenter, FrontLeft, FrontRight, RearLeft, RearRight};
        for (device, stream) in [
            (vec![FrontRight, FrontLeft], vec![FrontLeft, FrontRight]),
            (
                vec![RearLeft, FrontCenter, FrontRight, RearRight, FrontLeft],
                vec![FrontLeft, FrontRight, RearLeft, FrontCenter, RearRight],
            ),
            (vec![Aux1, Aux0], vec![Aux1, Aux0]),
        ] {
            let format = Format { sample_rate: 48_000, channels: device.len() as u16 };
            let map = fronts_first(ChannelMap::new(device), format);
            assert_eq!((&map).into_iter().collect::<Vec<_>>(), stream);
        }
    }
}
