// Mean and rate (1 / standard deviation) of the groups that a block's channels
// belong to, from `statistics` (N, 2 * GROUPS): mean, then rate, of each group.
// Padding channels take the last group's. Lanes are named, not looped over: FXC
// cannot write to a lane whose number is not constant.

fn statistics_at(at: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(statistics[at.x], statistics[at.y], statistics[at.z], statistics[at.w]);
}

fn place_of_statistics(n: u32, block: u32) -> vec4<u32> {
    let c = min(4u * block + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(CHANNELS - 1u));
    return 2u * (n * GROUPS + c / (CHANNELS / GROUPS));
}

fn means_of_block(n: u32, block: u32) -> vec4<f32> {
    return statistics_at(place_of_statistics(n, block));
}

fn rates_of_block(n: u32, block: u32) -> vec4<f32> {
    return statistics_at(place_of_statistics(n, block) + 1u);
}
