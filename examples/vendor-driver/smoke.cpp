// Plays the driver through its table as a player would, and ends with 1 at the first mismatch.
#include <dlfcn.h>
#include <set>
#include <string>
#include <thread>

#include "smoke_player.h"

namespace {

void opening(const char *path) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    check(library != nullptr, "the library can be loaded");
    const auto open = reinterpret_cast<PFND3DDDI_OPENADAPTER>(dlsym(library, "OpenAdapter"));
    check(open != nullptr, "the library exports OpenAdapter");

    D3DDDIARG_OPENADAPTER args{};
    args.pAdapterFuncs = &adapter_table;
    args.Version = D3D_UMD_INTERFACE_VERSION_VISTA;
    check(open(&args) != S_OK, "a runtime without crypto sessions is refused");
    args.Version = D3D_UMD_INTERFACE_VERSION_WDDM2_0;
    const char *chosen = std::getenv("VENDOR_UMD_BUG");
    const std::string bug = chosen == nullptr ? "" : chosen;
    setenv("VENDOR_UMD_BUG", "no-such-bug", 1);
    check(open(&args) == E_INVALIDARG, "a bug of an unknown name is an error");
    setenv("VENDOR_UMD_BUG", bug.c_str(), 1);
    check(open(&args) == S_OK, "OpenAdapter answers S_OK (is VENDOR_UMD_BUG the name of a bug?)");
    check(args.DriverVersion == D3D_UMD_INTERFACE_VERSION_WIN7, "the driver is one of Windows 7");
    adapter = args.hAdapter;

    DDICONTENTPROTECTIONCAPS asked{aes_ctr, {}};
    D3DCONTENTPROTECTIONCAPS caps{};
    D3DDDIARG_GETCAPS get{D3DDDICAPS_GETCONTENTPROTECTIONCAPS, &asked, &caps, sizeof caps};
    check(adapter_table.pfnGetCaps(adapter, &get) == S_OK, "GetCaps answers S_OK");
    check(caps.Caps == 0x61 && caps.BlockAlignmentSize == 16,
          "the capabilities are those of this driver");
    asked.CryptoType.Data1 ^= 1;
    check(adapter_table.pfnGetCaps(adapter, &get) == D3DDDIERR_NOTAVAILABLE,
          "an unknown crypto type is refused");
}

void table(Device &device) {
    D3DDDI_DEVICEFUNCS &table = device.table;
    check(table.pfnSetRenderState(device.handle, nullptr) == E_NOTIMPL,
          "what is not served is a stub");
    check(table.pfnCreateResource2 == nullptr && table.pfnFlush1 == nullptr,
          "entries of later versions are NULL");
    check(device.slots[143] == 0xC0FFEE, "nothing is written behind the table");
}

void refresh(Device &device) {
    Player player(device);
    HANDLE old_target = device.resource(D3DDDIPOOL_VIDEOMEMORY, nullptr, data_len);
    HANDLE new_target = device.resource(D3DDDIPOOL_VIDEOMEMORY, nullptr, data_len);
    Block random{};
    check(player.start(random.data(), 16) == D3DDDIERR_NOTAVAILABLE,
          "a session without a key is not refreshed");
    check(random == Block{}, "a refused start leaves its buffer as it was");
    check(player.upload(old_target, plaintext(0), 1) == D3DDDIERR_NOTAVAILABLE,
          "a session without a key uploads nothing");
    check(player.exchange(7, true) == E_FAIL, "a damaged blob is refused");
    check(player.exchange(7) == S_OK, "KeyExchange answers S_OK");
    check(player.exchange(8, true) == E_FAIL, "a damaged blob is refused the second time");
    check(player.finish(random) == D3DDDIERR_NOTAVAILABLE, "finish without start is refused");
    check(player.upload(old_target, plaintext(0), 1) == S_OK, "DecryptionBlt answers S_OK");
    check(device.contents(old_target, data_len) == plaintext(0),
          "an upload under the exchanged key arrives");

    std::uint8_t wide[32];
    std::memset(wide, 0xAB, sizeof wide);
    check(player.start(wide, 32) == S_OK, "start takes a larger buffer");
    for (std::size_t i = 16; i < 32; ++i)
        check(wide[i] == 0xAB, "start writes sixteen bytes and no more");
    check(player.start(wide + 1, 16) == S_OK, "a second start is served");
    check(wide[17] == 0xAB, "start writes no byte behind its buffer");
    std::memcpy(random.data(), wide + 1, 16);
    check(player.start(wide, 8) == E_INVALIDARG, "a smaller buffer is refused");
    check(player.upload(old_target, plaintext(1), 1) != S_OK,
          "an IV is not used twice while a refresh is pending");
    check(player.upload(old_target, plaintext(1), 0xFF) == S_OK,
          "an upload is served while a refresh is pending");
    check(player.upload(new_target, plaintext(1), 0x100) == S_OK, "IVs are compared as numbers");
    check(player.finish(random) == S_OK, "finish answers S_OK");
    check(player.finish(random) == D3DDDIERR_NOTAVAILABLE, "finish is served once");
    check(device.contents(old_target, data_len) == plaintext(1),
          "work queued before finish has the old key");
    check(player.upload(new_target, plaintext(2), 1) == S_OK, "IVs restart with a new key");
    check(device.contents(new_target, data_len) == plaintext(2),
          "an upload under the updated key arrives");

    check(player.upload(old_target, plaintext(3), 50, 0xFFFFFFF1) == E_INVALIDARG,
          "an enormous size is refused");
    check(player.upload(old_target, plaintext(3), 50, 64) == E_INVALIDARG,
          "an upload larger than its target is refused");
    check(player.upload(old_target, plaintext(3), 40) == S_OK, "a refused upload uses no IV up");

    std::uint64_t first, second;
    check(player.read_back(new_target, first) == plaintext(2),
          "what is read back is what was uploaded");
    check(first > 40, "the IV of a read-back is above those of uploads");
    check(player.read_back(old_target, second) == plaintext(3), "read-back waits for the queue");
    check(second > first, "the IVs of read-backs rise");

    check(player.start(random.data(), 16) == S_OK, "start is served again");
    check(player.exchange(9) == S_OK, "a session is keyed again");
    check(player.finish(random) == D3DDDIERR_NOTAVAILABLE, "a key exchange ends a pending refresh");
    check(player.upload(old_target, plaintext(4), 1) == S_OK, "IVs restart with an exchanged key");
    check(player.exchange(9) == S_OK && player.upload(old_target, plaintext(5), 1) != S_OK,
          "the same key again restarts nothing");
    check(player.upload(old_target, plaintext(5), 0x101) == S_OK,
          "IVs go on at the highest ever under the same key");
    check(player.destroy() == S_OK, "destroy with work queued answers S_OK");
    check(device.contents(old_target, data_len) == plaintext(5), "destroy does not lose work");
    check(player.destroy() == E_INVALIDARG, "destroy is served once");
}

void isolation(Device &device, Device &other) {
    Player one(device), two(device), foreign(other);
    HANDLE target = device.resource(D3DDDIPOOL_VIDEOMEMORY, nullptr, data_len);
    Block first{}, second{};
    check(one.exchange(20) == S_OK && two.exchange(21) == S_OK && foreign.exchange(22) == S_OK,
          "three sessions are keyed");
    check(one.start(first.data(), 16) == S_OK && two.start(second.data(), 16) == S_OK,
          "two refreshes are pending at once");
    check(one.finish(first) == S_OK && two.finish(second) == S_OK, "two refreshes finish");
    for (Player *player : {&one, &two}) {
        check(player->upload(target, plaintext(6), 1) == S_OK, "two sessions upload");
        check(device.contents(target, data_len) == plaintext(6), "each session has its own key");
    }
    Player stranger = foreign;
    stranger.session = one.session;
    check(stranger.start(first.data(), 16) == E_INVALIDARG,
          "a session of another device is unknown");
    const D3DDDIARG_GETENCRYPTIONBLTKEY key{two.session, first.data(), 16};
    check(device.table.pfnGetEncryptionBltKey(device.handle, &key) == D3DDDIERR_NOTAVAILABLE,
          "there is no read-back key");
    D3DDDIARG_GETPITCH pitch{two.session, target, 0, 0};
    check(device.table.pfnGetPitch(device.handle, &pitch) == S_OK && pitch.Pitch == data_len,
          "GetPitch answers the pitch");

    // Freed with work queued into it, and with sessions that are never destroyed.
    check(one.upload(target, plaintext(7), 2) == S_OK, "work is queued");
    check(device.table.pfnDestroyResource(device.handle, target) == S_OK,
          "DestroyResource answers S_OK");
    HANDLE last = device.resource(D3DDDIPOOL_VIDEOMEMORY, nullptr, data_len);
    check(device.contents(last, data_len) == Bytes(data_len), "a new resource is empty");
    check(two.upload(last, plaintext(7), 2) == S_OK, "work is left queued");
}

void many_refreshes(Device &device) {
    Player player(device);
    HANDLE target = device.resource(D3DDDIPOOL_VIDEOMEMORY, nullptr, data_len);
    std::set<Block> numbers;
    check(player.exchange(30) == S_OK, "a session is keyed");
    for (unsigned i = 1; i <= 80; ++i) {
        Block random{};
        check(player.start(random.data(), 16) == S_OK && player.finish(random) == S_OK,
              "a session is refreshed often");
        is_own_block = true;
        check(numbers.insert(random).second, "random numbers do not repeat");
        is_own_block = false;
        check(player.upload(target, plaintext(i), i) == S_OK,
              "an upload after each refresh is served");
        if (i % 20 == 0)
            check(device.contents(target, data_len) == plaintext(i), "every upload has its key");
    }
    is_own_block = true;
    numbers.clear();
    is_own_block = false;
    check(player.upload(target, plaintext(0), 1) != S_OK, "IVs do not restart for ever");

    Block unused{};
    for (Source broken : {Source::zeros, Source::none}) {
        source = broken;
        const HRESULT code = player.start(unused.data(), 16);
        source = Source::system;
        check(code == D3DDDIERR_NOTAVAILABLE, "a broken source of random numbers is noticed");
    }
}

void removal(Device &device) {
    Player player(device), passing(device);
    HANDLE target = device.resource(D3DDDIPOOL_VIDEOMEMORY, nullptr, data_len);
    Block random{};
    check(passing.exchange(41) == S_OK && passing.upload(target, plaintext(9), 1) == S_OK,
          "work is queued");
    device.runtime.render_code = E_FAIL;
    check(device.table.pfnFlush(device.handle) == E_FAIL, "a failure of the kernel is passed on");
    check(passing.destroy() == S_OK, "destroy does not fail when the kernel does");
    device.runtime.render_code = S_OK;
    check(device.contents(target, data_len) == plaintext(9), "refused work is tried again");

    check(player.exchange(40) == S_OK && player.upload(target, plaintext(8), 1) == S_OK,
          "work is queued");
    device.runtime.render_code = D3DDDIERR_DEVICEREMOVED;
    check(device.table.pfnFlush(device.handle) == D3DDDIERR_DEVICEREMOVED,
          "a removed device says so");
    check(player.start(random.data(), 16) == D3DDDIERR_DEVICEREMOVED,
          "a removed device refreshes nothing");
    check(player.destroy() == S_OK, "a session of a removed device can be destroyed");
}

void on_two_threads() {
    const auto play = [](unsigned seed) {
        for (unsigned round = 0; round < 40; ++round) {
            Device device;
            Player player(device);
            HANDLE target = device.resource(D3DDDIPOOL_VIDEOMEMORY, nullptr, data_len);
            check(player.exchange(seed) == S_OK, "a session on a thread is keyed");
            for (unsigned i = 1; i <= 10; ++i) {
                check(player.upload(target, plaintext(i), i) == S_OK,
                      "a session on a thread uploads");
                check(device.contents(target, data_len) == plaintext(i),
                      "devices on two threads do not disturb each other");
            }
            device.destroy();
        }
    };
    std::thread one(play, 50), two(play, 51);
    one.join();
    two.join();
}

} // namespace

int main(int argc, char **argv) {
    check(argc == 2, "usage: smoke LIBRARY");
    const Block key = {0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6,
                       0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f, 0x3c};
    const Block wrapped = {0x7d, 0xf7, 0x6b, 0x0c, 0x1a, 0xb8, 0x99, 0xb3,
                           0x3e, 0x42, 0xf0, 0x47, 0xb9, 0x1b, 0x54, 0x6f};
    check(encrypt_block(key, Block{}) == wrapped, "the test's own AES encrypts a known block");
    opening(argv[1]);
    {
        Device device, other;
        table(device);
        refresh(device);
        isolation(device, other);
        many_refreshes(other);
        removal(other);
        check(device.runtime.renders > 0, "work is rendered");
        other.destroy();
        device.destroy();
    }
    on_two_threads();
    check(adapter_table.pfnCloseAdapter(adapter) == S_OK, "CloseAdapter answers S_OK");
    check(adapter_table.pfnCloseAdapter(adapter) != S_OK, "a closed adapter serves nothing");
    return 0;
}
