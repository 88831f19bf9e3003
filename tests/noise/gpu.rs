//! `shaders/include/normal.wgsl` against its Rust twin, on every adapter there is.

use super::support::gpu_required;
use srdiff::diffusion::noise::{normal4, normals_from_words, philox4x32};
use wgpu::util::DeviceExt;

const LIBRARY: &str = include_str!("../../shaders/include/normal.wgsl");

/// Calls the library for each case. `integers[2 i]` and `normals[2 i]` are of
/// `normal4`'s arguments; `normals[2 i + 1]` is of the case's words themselves.
const KERNEL: &str = "
@group(0) @binding(0) var<storage, read> cases: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> integers: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read_write> normals: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.x;
    if 2u * i >= arrayLength(&cases) { return; }
    let a = cases[2u * i];
    let b = cases[2u * i + 1u];
    integers[i] = philox4x32(vec4<u32>(a.x, a.y, a.z, (a.w << 12u) | b.x), b.yz);
    normals[2u * i] = normal4(b.yz, a.x, a.y, a.z, a.w, b.x);
    normals[2u * i + 1u] = vec4<f32>(
        noise_box_muller(a.x, a.y),
        noise_box_muller(a.y, a.x),
    );
}
";

/// Arguments of `normal4`: x, y, sample, step; channel block, seed, padding.
type Case = [u32; 8];

#[test]
fn the_shader_is_valid_wgsl() {
    let module = naga::front::wgsl::parse_str(LIBRARY)
        .unwrap_or_else(|error| panic!("{}", error.emit_to_string(LIBRARY)));
    // No capabilities: standard WGSL alone.
    naga::valid::Validator::new(
        naga::valid::ValidationFlags::all(),
        naga::valid::Capabilities::empty(),
    )
    .validate(&module)
    .unwrap_or_else(|error| panic!("{}", error.emit_to_string(LIBRARY)));
    assert!(module.entry_points.is_empty() && module.global_variables.is_empty());
    for name in ["philox4x32", "normal4"] {
        let found = module
            .functions
            .iter()
            .any(|(_, f)| f.name.as_deref() == Some(name));
        assert!(found, "no function {name}");
    }
}

/// Positions near and far, some negative, in every argument's range; then the
/// boundaries of the transform's range reductions in x and y.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for y in -16i32..48 {
        for x in -16i32..48 {
            let i = (x + 64 * y) as u32;
            cases.push([x as u32, y as u32, i % 5, i % 101, i % 3, 1 + i % 7, 0, 0]);
        }
    }
    for i in 0..60_000 {
        let [a, b, c, d] = philox4x32([i, 1, 2, 3], [4, 5]);
        cases.push([a, b, c, d % 4097, d >> 20, c ^ b, c ^ a, 0]);
    }
    let boundary = super::boundary_words();
    for (i, &a) in boundary.iter().enumerate() {
        for &b in &boundary[i % 4..] {
            cases.push([a, b, 0, 4096, 0, u32::MAX, u32::MAX, 0]);
        }
    }
    cases
}

fn compare(adapter: &wgpu::Adapter, name: &str) {
    let cases = cases();
    let (integers, normals) = run(adapter, &cases);
    let mut worst = 0.0f32;
    for (i, case) in cases.iter().enumerate() {
        let [x, y, sample, step, block, low, high, _] = *case;
        let words = philox4x32([x, y, sample, step << 12 | block], [low, high]);
        assert_eq!(integers[i], words, "{name}: words of {case:x?}");
        let seed = u64::from(high) << 32 | u64::from(low);
        let expected = [
            normal4(seed, x, y, sample, step, block),
            normals_from_words([x, y, y, x]),
        ];
        for (normals, expected) in normals[2 * i..].iter().zip(expected) {
            for (normal, expected) in normals.iter().zip(expected) {
                let error = (normal - expected).abs();
                assert!(
                    error <= 2e-6,
                    "{name}: {normal} for {expected} in {case:x?}"
                );
                worst = worst.max(error);
            }
        }
    }
    println!(
        "{name}: {} cases, words equal, largest difference {worst:.1e}",
        cases.len()
    );
}

#[test]
fn every_adapter_agrees_with_the_cpu() {
    let instance =
        wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
    let adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
    if adapters.is_empty() {
        assert!(
            !gpu_required(),
            "SRDIFF_REQUIRE_GPU=1, and there is no adapter"
        );
        println!("skipped: no adapter");
    }
    for adapter in adapters {
        let info = adapter.get_info();
        compare(&adapter, &format!("{} ({:?})", info.name, info.backend));
    }
}

/// The words and normals of the kernel above, four for each `vec4`.
fn run(adapter: &wgpu::Adapter, cases: &[Case]) -> (Vec<[u32; 4]>, Vec<[f32; 4]>) {
    let (device, queue) =
        pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor::default()))
            .expect("a device with default limits");
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: Some("noise"),
        source: wgpu::ShaderSource::Wgsl(format!("{LIBRARY}{KERNEL}").into()),
    });
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some("noise"),
        layout: None,
        module: &module,
        entry_point: Some("main"),
        compilation_options: wgpu::PipelineCompilationOptions::default(),
        cache: None,
    });
    let input = device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
        label: Some("cases"),
        contents: bytemuck::cast_slice(cases),
        usage: wgpu::BufferUsages::STORAGE,
    });
    let output = |vectors: usize| {
        device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("output"),
            size: (vectors * 16) as u64,
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        })
    };
    let (integers, normals) = (output(cases.len()), output(2 * cases.len()));
    let entries: Vec<_> = [&input, &integers, &normals]
        .into_iter()
        .enumerate()
        .map(|(binding, buffer)| wgpu::BindGroupEntry {
            binding: binding as u32,
            resource: buffer.as_entire_binding(),
        })
        .collect();
    let bind_group = device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: None,
        layout: &pipeline.get_bind_group_layout(0),
        entries: &entries,
    });
    let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
    pass.set_pipeline(&pipeline);
    pass.set_bind_group(0, &bind_group, &[]);
    pass.dispatch_workgroups(cases.len().div_ceil(64) as u32, 1, 1);
    drop(pass);
    queue.submit([encoder.finish()]);
    (
        read(&device, &queue, &integers),
        read(&device, &queue, &normals),
    )
}

fn read<T: bytemuck::Pod>(
    device: &wgpu::Device,
    queue: &wgpu::Queue,
    buffer: &wgpu::Buffer,
) -> Vec<T> {
    let copy = device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("readback"),
        size: buffer.size(),
        usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    encoder.copy_buffer_to_buffer(buffer, 0, &copy, 0, buffer.size());
    queue.submit([encoder.finish()]);
    copy.map_async(wgpu::MapMode::Read, .., |result| {
        result.expect("mapping the readback")
    });
    device
        .poll(wgpu::PollType::wait_indefinitely())
        .expect("the device finishes");
    let bytes = copy.get_mapped_range(..).expect("a mapped range");
    bytemuck::pod_collect_to_vec(&bytes)
}
