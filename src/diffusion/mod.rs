//! Schedule, noise and samplers of the reverse diffusion process.
