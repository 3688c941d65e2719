// What the vendor gives to whoever tests the driver: a library that wraps a key in the vendor's own way.
#include "driver.h"

// Answers 0; 1 where `blob` has no room. `blob_size` is the room in, and the size out.
extern "C" __attribute__((visibility("default"))) int
vendor_wrap_key(const std::uint8_t key[16], const std::uint8_t *certificate,
                std::uint32_t certificate_size, std::uint8_t *blob, std::uint32_t *blob_size) {
    // Both sides have the key that it is sealed under, so there is no certificate.
    (void)certificate;
    (void)certificate_size;
    vendor::Key copy;
    std::memcpy(copy.bytes, key, vendor::key_len);
    *blob_size = vendor::seal(copy, blob, *blob_size);
    vendor::wipe(copy);
    vendor::leave_nothing();
    return *blob_size == 0 ? 1 : 0;
}
