/* A plug-in for qemu's user emulation: counts the executed instructions of the emulated processors.
 *
 * Into the file that the environment variable INSTRUCTION_COUNTS names, which the emulated program maps
 * as well: one number of 64 bits for each processor, that is each thread, so that none waits for another.
 * Blocks of instructions are counted when they begin. The few functions of qemu (its qemu-plugin.h) and
 * of the C library that are used are declared here: no headers have to be installed. */

typedef unsigned long u64;
struct qemu_plugin_tb; /* a block of translated instructions */

u64 qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
void qemu_plugin_register_vcpu_tb_trans_cb(
    u64 plugin, void (*translated)(u64 plugin, struct qemu_plugin_tb *block));
void qemu_plugin_register_vcpu_tb_exec_cb(
    struct qemu_plugin_tb *block, void (*executed)(unsigned processor, void *argument),
    int registers, void *argument);

char *getenv(const char *name);
int open(const char *path, int flags, ...);
void *mmap(void *address, u64 length, int protection, int flags, int file, long offset);

enum { COUNTERS = 512, FILE_BYTES = 8 * COUNTERS };
enum { O_RDWR = 2, PROT_READ_WRITE = 3, MAP_SHARED = 1, NO_REGISTERS = 0 };

int qemu_plugin_version = PLUGIN_VERSION;
static u64 *counts;

static void executed(unsigned processor, void *instructions)
{
    counts[processor % COUNTERS] += (u64)instructions;
}

static void translated(u64 plugin, struct qemu_plugin_tb *block)
{
    qemu_plugin_register_vcpu_tb_exec_cb(block, executed, NO_REGISTERS,
                                         (void *)qemu_plugin_tb_n_insns(block));
}

int qemu_plugin_install(u64 plugin, const void *info, int argument_count, char **arguments)
{
    const char *path = getenv("INSTRUCTION_COUNTS");
    int file = path ? open(path, O_RDWR) : -1;
    if (file < 0)
        return 1;
    counts = mmap(0, FILE_BYTES, PROT_READ_WRITE, MAP_SHARED, file, 0);
    if (counts == (void *)-1)
        return 1;
    qemu_plugin_register_vcpu_tb_trans_cb(plugin, translated);
    return 0;
}
