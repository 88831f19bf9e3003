//! A runtime for exported programs: JSON and wgpu, nothing of srdiff.

use pollster::block_on;
use serde_json::Value;
use std::collections::HashMap;

fn number(value: &Value) -> u64 {
    value.as_u64().expect("a whole number")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a string")
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().expect("a list")
}

/// Runs the export's schedule on an LR image (planes in [0, 1]) and reads the
/// output `output`; `tensor` gives the model's tensors by name.
pub fn run(
    export: &Value,
    adapter_name: &str,
    tensor: &dyn Fn(&str) -> Vec<f32>,
    image: &[f32],
    output: &str,
) -> Vec<f32> {
    let program = &export["program"];
    let descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
    let adapters =
        block_on(wgpu::Instance::new(descriptor).enumerate_adapters(wgpu::Backends::all()));
    let mut adapters = adapters.into_iter();
    let adapter = adapters
        .find(|a| a.get_info().name == adapter_name)
        .expect("the adapter");
    // Nothing but WebGPU's default limits and no features.
    let (device, queue) = block_on(adapter.request_device(&Default::default())).expect("a device");

    let usage = wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
    let buffers: Vec<wgpu::Buffer> = list(&program["buffers"])
        .iter()
        .map(|buffer| {
            let usage = usage
                | match &buffer["role"] {
                    Value::Object(_) => wgpu::BufferUsages::STORAGE,
                    _ => wgpu::BufferUsages::UNIFORM,
                };
            let size = number(&buffer["bytes"]);
            device.create_buffer(&wgpu::BufferDescriptor {
                label: None,
                size,
                usage,
                mapped_at_creation: false,
            })
        })
        .collect();
    let of_role = |role: &str| {
        let mut roles = list(&program["buffers"]).iter();
        roles
            .position(|buffer| buffer["role"] == role)
            .expect("the buffer")
    };
    let words: Vec<u32> = list(&program["uniforms"])
        .iter()
        .map(|w| number(w) as u32)
        .collect();
    queue.write_buffer(
        &buffers[of_role("Uniforms")],
        0,
        bytemuck::cast_slice(&words),
    );
    for (index, record) in list(&export["records"]).iter().enumerate() {
        let words: Vec<u32> = list(record).iter().map(|w| number(w) as u32).collect();
        queue.write_buffer(
            &buffers[of_role("Records")],
            256 * index as u64,
            bytemuck::cast_slice(&words),
        );
    }

    let modules: Vec<wgpu::ShaderModule> = list(&program["modules"])
        .iter()
        .map(|module| {
            let source = wgpu::ShaderSource::Wgsl(text(&module["source"]).into());
            device.create_shader_module(wgpu::ShaderModuleDescriptor {
                label: None,
                source,
            })
        })
        .collect();
    let pipelines: Vec<wgpu::ComputePipeline> = list(&program["pipelines"])
        .iter()
        .map(|pipeline| {
            let constants: Vec<(&str, f64)> = pipeline["constants"]
                .as_object()
                .expect("constants")
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_f64().expect("a number")))
                .collect();
            device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: None,
                layout: None,
                module: &modules[number(&pipeline["module"]) as usize],
                entry_point: Some(text(&pipeline["entry"])),
                compilation_options: wgpu::PipelineCompilationOptions {
                    constants: &constants,
                    ..Default::default()
                },
                cache: None,
            })
        })
        .collect();

    let binding = |buffer: &Value, offset: u64, bytes: u64| {
        let buffer = &buffers[number(buffer) as usize];
        wgpu::BindingResource::Buffer(wgpu::BufferBinding {
            buffer,
            offset,
            size: wgpu::BufferSize::new(bytes),
        })
    };
    let run = |commands: &[Value], record: u64| {
        let mut encoder = device.create_command_encoder(&Default::default());
        for command in commands {
            let at = number(&command["pipeline"]) as usize;
            let pipeline = &pipelines[at];
            let entries: Vec<wgpu::BindGroupEntry> = list(&command["bindings"])
                .iter()
                .map(|bound| {
                    let resource = binding(
                        &bound["buffer"],
                        number(&bound["offset"]),
                        number(&bound["bytes"]),
                    );
                    wgpu::BindGroupEntry {
                        binding: number(&bound["index"]) as u32,
                        resource,
                    }
                })
                .collect();
            let group = |index: u32, entries: &[wgpu::BindGroupEntry]| {
                let layout = pipeline.get_bind_group_layout(index);
                device.create_bind_group(&wgpu::BindGroupDescriptor {
                    label: None,
                    layout: &layout,
                    entries,
                })
            };
            let mut pass = encoder.begin_compute_pass(&Default::default());
            pass.set_pipeline(pipeline);
            pass.set_bind_group(0, &group(0, &entries), &[]);
            if program["pipelines"][at]["reads_record"] == true {
                let resource = binding(&Value::from(of_role("Records")), 256 * record, 240);
                pass.set_bind_group(
                    1,
                    &group(
                        1,
                        &[wgpu::BindGroupEntry {
                            binding: 0,
                            resource,
                        }],
                    ),
                    &[],
                );
            }
            let [x, y, z] = [0, 1, 2].map(|axis| number(&command["workgroups"][axis]) as u32);
            pass.dispatch_workgroups(x, y, z);
        }
        queue.submit([encoder.finish()]);
    };

    // Where elements [n, c, h, w] lie in a slot: blocks of 4 channels in f32.
    let values: HashMap<&str, &Value> = list(&program["values"])
        .iter()
        .map(|v| (text(&v["name"]), v))
        .collect();
    let place = |name: &str| {
        let value = values[name];
        assert_eq!(
            value["format"],
            serde_json::json!({"layout": "ChannelBlocks4", "precision": "F32"})
        );
        let [n, c, h, w] = ["n", "c", "h", "w"].map(|axis| number(&value["shape"][axis]) as usize);
        let (first, stride) = (
            number(&value["channel_offset"]) as usize,
            number(&value["channel_stride"]) as usize,
        );
        let indices = (0..n).flat_map(move |n| {
            (0..c).flat_map(move |c| {
                (0..h * w).map(move |p| {
                    (((n * stride + first + c) / 4) * h * w + p) * 4 + (first + c) % 4
                })
            })
        });
        (
            number(&value["slot"]) as usize,
            indices.collect::<Vec<usize>>(),
        )
    };
    let write = |name: &str, elements: &[f32]| {
        let (slot, indices) = place(name);
        let mut stored = vec![0f32; buffers[slot].size() as usize / 4];
        for (&index, &element) in indices.iter().zip(elements) {
            stored[index] = element;
        }
        queue.write_buffer(&buffers[slot], 0, bytemuck::cast_slice(&stored));
    };
    for constant in list(&export["constants"]) {
        let elements: Vec<f32> = list(&constant["elements"])
            .iter()
            .map(|v| v.as_f64().expect("a number") as f32)
            .collect();
        write(text(&constant["name"]), &elements);
    }
    write("lr", image);

    let commands = |name: &Value| {
        let mut phases = list(&program["phases"]).iter();
        let phase = phases.find(|phase| phase["name"] == *name);
        list(&phase.expect("the phase")["commands"])
    };
    let pack = commands(&Value::from("pack"));
    for weight in list(&program["weights"]) {
        let name = text(&weight["tensor"]);
        let mut plain = tensor(name);
        if let Some(gate) = export["gates"].get(name) {
            let gate = tensor(text(gate))[0];
            plain.iter_mut().for_each(|element| *element *= gate);
        }
        queue.write_buffer(
            &buffers[number(&weight["plain"]) as usize],
            0,
            bytemuck::cast_slice(&plain),
        );
        let (first, count) = (
            number(&weight["first_command"]) as usize,
            number(&weight["commands"]) as usize,
        );
        run(&pack[first..first + count], 0);
    }
    for step in list(&export["schedule"]) {
        run(commands(&step["phase"]), number(&step["record"]));
    }

    let (slot, indices) = place(output);
    let size = buffers[slot].size();
    let usage = wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ;
    let readback = device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size,
        usage,
        mapped_at_creation: false,
    });
    let mut encoder = device.create_command_encoder(&Default::default());
    encoder.copy_buffer_to_buffer(&buffers[slot], 0, &readback, 0, size);
    queue.submit([encoder.finish()]);
    readback
        .slice(..)
        .map_async(wgpu::MapMode::Read, |result| result.expect("mapped"));
    device
        .poll(wgpu::PollType::wait_indefinitely())
        .expect("the device answers");
    let bytes = readback.slice(..).get_mapped_range().expect("mapped");
    let stored: &[f32] = bytemuck::cast_slice(&bytes);
    indices.iter().map(|&index| stored[index]).collect()
}
