//! The tensors of each stage: encoder, conditioning, time embedding, U-Net.

use super::fixture::Fixture;
use super::support_models::keep;
use super::{Device, stage_bound};
use libtest_mimic::Failed;
use srdiff::exec::{Executor, StepRecord};
use srdiff::model::phases::{self, names};
use srdiff::model::{PhaseOptions, time::sinusoidal_embedding};

/// The timestep whose stages the fixtures hold.
const PROBE: u32 = 37;

pub fn run(device: &Device, fixture: &Fixture, fuse: bool) -> Result<(), Failed> {
    let settings = &fixture.settings;
    let (height, width) = fixture.lr_size();
    let options = PhaseOptions {
        sr_head: settings.has_sr_head,
        ..PhaseOptions::new([width, height])
    };
    let mut graphs = phases::build(settings, &options)?;
    keep(&mut graphs, &|name| {
        let exact = [
            "unet.cond",
            "unet.temb",
            "unet.mid",
            "unet.eps",
            "encoder.sr",
        ];
        let families = ["encoder.feat.", "unet.down.", "unet.up."];
        exact.contains(&name) || families.iter().any(|family| name.starts_with(family))
    });
    let mut executor = device.load(&graphs, fixture, fuse)?;
    let check = |name: &str, found: &[f32]| fixture.check(name, found, stage_bound);

    let timesteps = settings.timesteps;
    executor.write(
        names::TIME,
        &sinusoidal_embedding(timesteps, settings.hidden),
    )?;
    run_phase(executor.as_mut(), names::MODEL, 0)?;
    let temb = executor.read("unet.temb")?;
    for t in fixture.names("unet.temb.")? {
        let row = t.parse::<usize>()? * settings.hidden;
        let name = format!("unet.temb.{t}");
        check(&name, &temb[row..row + settings.hidden])?;
    }

    executor.write(names::LR, &fixture.lr_planes()?)?;
    run_phase(executor.as_mut(), names::IMAGE, 0)?;
    run_phase(executor.as_mut(), names::CONDITION, 0)?;
    check("io.up", &executor.read(names::UP)?)?;
    for i in 0..=settings.rrdb_blocks {
        let name = format!("encoder.feat.{i}");
        check(&name, &executor.read(&name)?)?;
    }
    if settings.has_sr_head {
        check("encoder.sr", &executor.read("encoder.sr")?)?;
    }
    let conditioning = executor.read(names::CONDITIONING)?;
    let cond = match settings.up_input {
        true => executor.read("unet.cond")?,
        false => conditioning.clone(),
    };
    check("unet.cond", &cond)?;

    let records: Vec<StepRecord> = (0..timesteps as u32)
        .map(|t| StepRecord::default().at_timestep(t))
        .collect();
    executor.set_records(&records)?;
    for t in fixture.names("unet.eps.")? {
        executor.write(names::X, &fixture.input("io.x_probe")?)?;
        run_phase(executor.as_mut(), names::PREDICT, t.parse()?)?;
        let name = format!("unet.eps.{t}");
        check(&name, &executor.read("unet.eps")?)?;
    }

    executor.write(names::X, &fixture.input("io.x_probe")?)?;
    run_phase(executor.as_mut(), names::PREDICT, PROBE as usize)?;
    for level in 0..settings.levels() {
        let name = format!("unet.down.{level}");
        let mut found = executor.read(&name)?;
        if level == 0 {
            // The fixture has this stage before the conditioning is added.
            found
                .iter_mut()
                .zip(&conditioning)
                .for_each(|(v, c)| *v -= c);
        }
        check(&name, &found)?;
    }
    check("unet.mid", &executor.read("unet.mid")?)?;
    for j in 0..settings.levels() - 1 {
        let name = format!("unet.up.{j}");
        check(&name, &executor.read(&name)?)?;
    }
    Ok(())
}

/// Runs a phase with a record and waits for it.
pub fn run_phase(executor: &mut dyn Executor, phase: &str, record: usize) -> Result<(), Failed> {
    executor.run(phase, record)?;
    Ok(executor.wait(0)?)
}
