// SPDX-License-Identifier: GPL-2.0-only
/*
 * The boot story. boot.S calls kmain on the boot CPU with the boot page tables; each line below
 * needs the ones above it. It ends as the thread "main", which runs what the command line asks for.
 */
#define LOG_AREA "boot"
#include "kernel/main.h"

#include "arch/x86_64/acpi.h"
#include "arch/x86_64/apic.h"
#include "arch/x86_64/arch.h"
#include "arch/x86_64/ioapic.h"
#include "arch/x86_64/irq.h"
#include "arch/x86_64/keyboard.h"
#include "arch/x86_64/memlayout.h"
#include "arch/x86_64/paging.h"
#include "arch/x86_64/serial.h"
#include "arch/x86_64/smp.h"
#include "arch/x86_64/traps.h"
#include "boot/multiboot2.h"
#include "boot/sections.h"
#include "kernel/break.h"
#include "kernel/cmdline.h"
#include "kernel/monitor.h"
#include "kernel/panic.h"
#include "kernel/printk.h"
#include "kernel/records.h"
#include "kernel/replay.h"
#include "kernel/screen.h"
#include "kernel/string.h"
#include "kernel/test.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "kernel/workqueue.h"
#include "mm/early.h"
#include "mm/kmalloc.h"
#include "mm/page.h"
#include "mm/vmalloc.h"
#include "percpu/port_kernel.h"

#define LOW_MEMORY_END 0x100000	   /* the first MiB is the firmware's and the trampoline's */
#define DEVICES_END    (4ul << 30) /* firmware tables may lie anywhere below */
#define INFO_MAX_SIZE  0x1000000   /* no loader's information is larger than 16 MiB */

struct boot_info boot_info;

/* Ends the machine when what the loader told is not enough to boot with. */
static void read_boot_info(uint32_t magic, phys_addr_t info)
{
	const uint32_t *size = phys_to_virt(info);
	const char *error = "wrong magic";

	if (magic == MULTIBOOT2_BOOT_MAGIC)
		error = *size <= INFO_MAX_SIZE ? multiboot2_parse(size, *size, &boot_info)
					       : "total size past 16 MiB";
	if (error == NULL)
		return;
	log_error("Multiboot2 information at 0x%lx: %s: boot by GRUB's multiboot2 command", info,
		  error);
	arch_exit(EXIT_FAILED);
}

/* Tells the early allocator what there is and what is in use. */
static void add_memory(void)
{
	for (unsigned int i = 0; i < boot_info.nr_regions; i++) {
		const struct boot_region *region = &boot_info.regions[i];

		if (region->type == REGION_USABLE)
			early_add(region->start, region->end);
		else /* firmware's regions may overlap: the more careful one counts */
			early_reserve(region->start, region->end);
	}
	early_reserve(0, LOW_MEMORY_END);
	early_reserve(virt_to_phys(__image_start), virt_to_phys(__image_end));
	for (unsigned int i = 0; i < boot_info.nr_modules; i++)
		early_reserve(boot_info.modules[i].start, boot_info.modules[i].end);
}

/* Where the direct map ends: past all memory, and past everything below 4 GiB. */
static phys_addr_t end_of_memory(void)
{
	phys_addr_t end = DEVICES_END;

	for (unsigned int i = 0; i < boot_info.nr_regions; i++) {
		const struct boot_region *region = &boot_info.regions[i];

		if (region->type == REGION_USABLE || region->type == REGION_ACPI ||
		    region->type == REGION_NVS)
			end = max(end, region->end);
	}
	return end;
}

static void log_boot_info(void)
{
	log_info("command line: %s", boot_info.cmdline);
	log_info("memory: %lu KiB usable in %u regions, %u modules", early_total() / 1024,
		 boot_info.nr_regions, boot_info.nr_modules);
}

/* A boot module is a trace for `replay`. */
static void register_module(void)
{
	const struct boot_module *module = &boot_info.modules[0];

	if (boot_info.nr_modules == 0)
		return;
	trace_set_module(module->cmdline[0] != '\0' ? module->cmdline : "module",
			 phys_to_virt(module->start), module->end - module->start);
}

/* Replays what the command line names, by default the module or the bundled one. */
static bool run_replay(void)
{
	const char *name = cmdline_get("replay");
	const struct trace_text *trace = trace_default();
	struct replay_report report;

	if (name != NULL && strcmp(name, "none") == 0)
		return true;
	if (name != NULL && name[0] != '\0')
		trace = trace_find(name);
	if (trace == NULL) {
		warn(LOG_AREA, "replay=%s: no such trace: the prompt's replay lists them", name);
		return false;
	}
	replay_run(trace, &report, NULL);
	return replay_print(trace->name, &report);
}

/* Runs the tests that the command line selects, by default the quick ones. */
static void run_tests(void)
{
	const char *selection = cmdline_get("selftest");

	if (selection == NULL)
		selection = "quick";
	if (test_count(selection) == 0 && strcmp(selection, "none") != 0)
		warn(LOG_AREA, "selftest=%s: no test has such a name", selection);
	test_run_selection(selection, NULL);
}

/* The thread "main": tests, replay, then the prompt or the end. */
static void __noreturn run(void)
{
	const char *monitor = cmdline_get("monitor");
	bool good;

	break_on_request();
	run_tests();
	good = run_replay() && test_failures() == 0;
	if (monitor == NULL || strcmp(monitor, "off") != 0)
		monitor_run();
	arch_exit(good && warn_unexpected() == 0 ? EXIT_GOOD : EXIT_FAILED);
}

void kmain(uint32_t magic, uint32_t info)
{
	arch_percpu_early_init(); /* this_cpu_ works, on the section's load image */
	serial_init(COM1);	  /* console */
	serial_init(COM2);	  /* test report */
	read_boot_info(magic, info);
	screen_init(&boot_info.framebuffer); /* the console on the monitor too */
	cmdline_init(boot_info.cmdline);
	log_set_level((enum log_level)min(cmdline_u64("loglevel", LOG_INFO), (uint64_t)LOG_DEBUG));
	traps_init(); /* faults have messages */

	add_memory();
	log_boot_info();
	paging_init(end_of_memory()); /* own page tables, direct map */
	acpi_init();		      /* tables lie anywhere in the direct map */
	smp_enumerate();	      /* possible CPUs: the first chunk has a unit for each */
	percpu_init();		      /* this_cpu_ works on the boot CPU's unit */

	page_init(); /* takes over what the early allocator left */
	kmalloc_init();
	vmalloc_init();
	screen_map();
	port_kernel_heap_ready();
	records_init();			    /* from here on the allocator is watched */
	traps_init_cpu(smp_processor_id()); /* exception stacks with guard pages */
	register_module();

	time_init();
	lapic_init();
	ioapic_init(); /* devices' interrupts, all masked */
	thread_init(); /* from here on this is the thread "main"; starts the tick */
	workqueue_init();
	serial_enable_input(monitor_wake);
	keyboard_init(monitor_wake);
	x86_sti();
	smp_start_all();
	paging_drop_identity(); /* no AP needs it any more */
	run();
}
