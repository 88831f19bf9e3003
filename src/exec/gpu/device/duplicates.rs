//! Cards that a system lists twice, once for each of its interfaces.

use wgpu::{AdapterInfo, Backend};

fn share_bus(a: &AdapterInfo, b: &AdapterInfo) -> bool {
    // Not every driver tells the address.
    !a.device_pci_bus_id.is_empty() && a.device_pci_bus_id == b.device_pci_bus_id
}

fn share_name(a: &AdapterInfo, b: &AdapterInfo) -> bool {
    a.name == b.name
}

/// Whether each adapter is to be listed: those of DX12 are not that Vulkan
/// lists too. Each of Vulkan's stands for one of DX12's, so that of two cards
/// of one model both are listed, even where Vulkan sees but one of them.
pub(super) fn listed(adapters: &[AdapterInfo]) -> Vec<bool> {
    let mut listed = vec![true; adapters.len()];
    let of_vulkan = adapters.iter().filter(|a| a.backend == Backend::Vulkan);
    let mut free: Vec<&AdapterInfo> = of_vulkan.collect();
    // By address first, for names can be taken for another card's.
    for same in [share_bus, share_name] {
        for (adapter, listed) in adapters.iter().zip(&mut listed) {
            if adapter.backend != Backend::Dx12 || !*listed {
                continue;
            }
            let model = (adapter.vendor, adapter.device);
            let mut twins = free.iter();
            let twin = twins.position(|f| model == (f.vendor, f.device) && same(adapter, f));
            if let Some(twin) = twin {
                free.remove(twin);
                *listed = false;
            }
        }
    }
    listed
}

#[cfg(test)]
mod tests {
    use super::*;
    use wgpu::Backend::{Dx12, Metal, Vulkan};

    fn card(backend: Backend, device: u32, bus: &str) -> AdapterInfo {
        AdapterInfo {
            device,
            device_pci_bus_id: bus.to_owned(),
            name: format!("Card {device}"),
            ..AdapterInfo::new(wgpu::DeviceType::DiscreteGpu, backend)
        }
    }

    #[test]
    fn a_card_of_both_interfaces_is_listed_once() {
        let cards = [card(Dx12, 1, "a"), card(Vulkan, 1, "a")];
        assert_eq!(listed(&cards), [false, true]);
        // The address is not always known.
        let cards = [card(Vulkan, 1, ""), card(Dx12, 1, "a")];
        assert_eq!(listed(&cards), [true, false]);
    }

    #[test]
    fn other_cards_stay() {
        let mut renamed = card(Dx12, 1, "b");
        renamed.name = "Other".to_owned();
        let cards = [
            card(Vulkan, 1, "a"),
            card(Dx12, 2, "a"),
            renamed,
            card(Metal, 1, "a"),
        ];
        assert_eq!(listed(&cards), [true; 4]);
        for backend in [Dx12, Vulkan] {
            let twice = [card(backend, 1, "a"), card(backend, 1, "a")];
            assert_eq!(listed(&twice), [true; 2]);
        }
    }

    #[test]
    fn two_cards_of_one_model_are_both_listed() {
        let both = |backend| [card(backend, 1, "a"), card(backend, 1, "b")];
        let cards = [both(Vulkan), both(Dx12)].concat();
        assert_eq!(listed(&cards), [true, true, false, false]);
        // Vulkan sees the second alone: the first is the one that stays.
        let cards = [card(Vulkan, 1, "b"), card(Dx12, 1, "a"), card(Dx12, 1, "b")];
        assert_eq!(listed(&cards), [true, true, false]);
    }
}
