// ---- What the driver leaves of secrets: in blocks that it frees, in heap and statics once they are dead, on the
// stack and in registers behind each call. ----

#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <ucontext.h>

struct Secret { std::uint8_t bytes[16], key[16]; }; // and the key that it is made of: itself, or that of a round
static Secret known[8192];
static std::size_t known_count;
static bool is_live(const std::uint8_t *key);

static void learn(const std::uint8_t *bytes, const std::uint8_t *key) {
    for (std::size_t i = 0; i < known_count; ++i) if (!std::memcmp(known[i].bytes, bytes, 16)) return;
    if (known_count == sizeof known / sizeof *known) return;
    std::memcpy(known[known_count].bytes, bytes, 16);
    std::memcpy(known[known_count++].key, key, 16);
}

// Whether eight bytes of a secret are there; of those that live, if that is asked.
static bool holds_secret(const void *start, std::size_t len, bool also_live) {
    const auto *bytes = static_cast<const std::uint8_t *>(start);
    for (std::size_t i = 0; i < known_count; ++i) {
        if (!also_live && is_live(known[i].key)) continue;
        for (std::size_t at = 0; at + 8 <= len; ++at)
            if (!std::memcmp(bytes + at, known[i].bytes, 8) || !std::memcmp(bytes + at, known[i].bytes + 8, 8)) return true;
    }
    return false;
}

// The heap: what is allocated while the driver is at work is the driver's.
static thread_local bool is_inside;
static const char *found;
struct Block { std::uint8_t *start; std::size_t len; };
static Block blocks[1 << 16];
static std::size_t block_count;

extern "C" {
void *__libc_malloc(std::size_t);
void *__libc_calloc(std::size_t, std::size_t);
void *__libc_realloc(void *, std::size_t);
void *__libc_memalign(std::size_t, std::size_t);
void __libc_free(void *);

static void *noted(void *block, std::size_t len, int fill) {
    if (!is_inside || !block || block_count == sizeof blocks / sizeof *blocks) return block;
    std::memset(block, fill, len);
    blocks[block_count++] = {static_cast<std::uint8_t *>(block), len};
    return block;
}
void *malloc(std::size_t len) { return noted(__libc_malloc(len), len, 0xA5); }
void *calloc(std::size_t count, std::size_t len) { return noted(__libc_calloc(count, len), count * len, 0); }
void *memalign(std::size_t align, std::size_t len) { return noted(__libc_memalign(align, len), len, 0xA5); }
void *aligned_alloc(std::size_t align, std::size_t len) { return memalign(align, len); }
int posix_memalign(void **out, std::size_t align, std::size_t len) { return (*out = memalign(align, len)) ? 0 : 12; }
void free(void *block) {
    for (std::size_t i = block_count; i-- > 0;) {
        if (blocks[i].start != block) continue;
        if (is_inside && holds_secret(block, blocks[i].len, true)) found = "freed a block with bytes of a secret in it";
        blocks[i] = blocks[--block_count];
        break;
    }
    __libc_free(block);
}
void *realloc(void *block, std::size_t len) {
    if (!is_inside) return __libc_realloc(block, len);
    void *moved = malloc(len);
    if (block && moved) {
        const std::size_t old = malloc_usable_size(block);
        std::memcpy(moved, block, old < len ? old : len);
        free(block);
    }
    return moved;
}
}

// The statics and thread-locals of the library that has an address.
static const void *library_code;
static int look_at_statics(dl_phdr_info *info, std::size_t, void *) {
    bool is_it = false;
    for (int i = 0; i < info->dlpi_phnum; ++i) {
        const auto &part = info->dlpi_phdr[i];
        const auto offset = reinterpret_cast<std::uintptr_t>(library_code) - info->dlpi_addr - part.p_vaddr;
        is_it |= part.p_type == PT_LOAD && offset < part.p_memsz;
    }
    for (int i = 0; is_it && i < info->dlpi_phnum; ++i) {
        const auto &part = info->dlpi_phdr[i];
        const bool is_written = part.p_type == PT_LOAD && (part.p_flags & PF_W);
        if (is_written && holds_secret(reinterpret_cast<void *>(info->dlpi_addr + part.p_vaddr), part.p_memsz, false))
            found = "keeps bytes of a dead secret in a static";
        if (part.p_type == PT_TLS && info->dlpi_tls_data && holds_secret(info->dlpi_tls_data, part.p_memsz, false))
            found = "keeps bytes of a dead secret in a thread-local";
    }
    return is_it;
}

// The stack: each call runs on one of its own that was painted before. Registers are empty before and read after.
static std::uint8_t *stack;
static const std::size_t stack_len = 8 << 20, guard_len = 4096;
static std::uint8_t vectors[16][16];
static std::uint64_t generals[8];
static ucontext_t host, guest;
static void (*job)(void *);
static void *job_argument;
static void run_job() { job(job_argument); }

template <typename Call>
static void on_a_painted_stack(Call &call) {
    if (!stack) {
        void *memory = mmap(nullptr, guard_len + stack_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        stack = static_cast<std::uint8_t *>(memory) + guard_len;
        mprotect(memory, guard_len, PROT_NONE);
    }
    job = [](void *call) { (*static_cast<Call *>(call))(); };
    job_argument = &call;
    getcontext(&guest);
    guest.uc_stack.ss_sp = stack;
    guest.uc_stack.ss_size = stack_len;
    guest.uc_link = &host;
    makecontext(&guest, run_job, 0);
    is_inside = true;
    swapcontext(&host, &guest);
    is_inside = false;
    static const std::uint8_t zeros[4096] = {};
    std::size_t used = 0;
    while (used < stack_len && !std::memcmp(stack + used, zeros, sizeof zeros)) used += sizeof zeros;
    if (@stack@ && holds_secret(stack + used, stack_len - used, true)) found = "left bytes of a secret on the stack";
    if (@registers@ && (holds_secret(vectors, sizeof vectors, true) || holds_secret(generals, sizeof generals, true)))
        found = "left bytes of a secret in a register";
    std::memset(stack + used, 0, stack_len - used);
}

#define CLEAR_REGISTERS() __asm__ __volatile__( \
    "pxor %%xmm0, %%xmm0\n pxor %%xmm1, %%xmm1\n pxor %%xmm2, %%xmm2\n pxor %%xmm3, %%xmm3\n" \
    "pxor %%xmm4, %%xmm4\n pxor %%xmm5, %%xmm5\n pxor %%xmm6, %%xmm6\n pxor %%xmm7, %%xmm7\n" \
    "pxor %%xmm8, %%xmm8\n pxor %%xmm9, %%xmm9\n pxor %%xmm10, %%xmm10\n pxor %%xmm11, %%xmm11\n" \
    "pxor %%xmm12, %%xmm12\n pxor %%xmm13, %%xmm13\n pxor %%xmm14, %%xmm14\n pxor %%xmm15, %%xmm15" \
    : : : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", \
      "xmm13", "xmm14", "xmm15")
#define READ_REGISTERS() __asm__ __volatile__( \
    "movdqu %%xmm0, (%0)\n movdqu %%xmm1, 16(%0)\n movdqu %%xmm2, 32(%0)\n movdqu %%xmm3, 48(%0)\n" \
    "movdqu %%xmm4, 64(%0)\n movdqu %%xmm5, 80(%0)\n movdqu %%xmm6, 96(%0)\n movdqu %%xmm7, 112(%0)\n" \
    "movdqu %%xmm8, 128(%0)\n movdqu %%xmm9, 144(%0)\n movdqu %%xmm10, 160(%0)\n movdqu %%xmm11, 176(%0)\n" \
    "movdqu %%xmm12, 192(%0)\n movdqu %%xmm13, 208(%0)\n movdqu %%xmm14, 224(%0)\n movdqu %%xmm15, 240(%0)\n" \
    "mov %%rcx, (%1)\n mov %%rdx, 8(%1)\n mov %%rsi, 16(%1)\n mov %%rdi, 24(%1)\n" \
    "mov %%r8, 32(%1)\n mov %%r9, 40(%1)\n mov %%r10, 48(%1)\n mov %%r11, 56(%1)" \
    : : "r"(vectors), "r"(generals) : "memory")
