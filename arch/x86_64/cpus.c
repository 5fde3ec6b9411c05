// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which CPUs there are: ids, the processors behind them, and what the command line says about both.
 *
 * The boot CPU comes first, then the MADT's enabled processors in its order, then its disabled ones;
 * the last are possible CPUs only when possible_cpus= or cpu_ids= asks for more ids than there are
 * enabled ones. Ids are 0, 1, 2 … or those of cpu_ids=, rising. An id that no processor is left for
 * is possible all the same: it has units and never comes online, and so is a disabled processor's.
 */
#define LOG_AREA "smp"
#include "arch/x86_64/acpi.h"
#include "arch/x86_64/apic.h"
#include "arch/x86_64/smp_internal.h"
#include "kernel/cmdline.h"
#include "kernel/printk.h"
#include "kernel/string.h"

struct cpumask cpu_possible_mask;
struct cpumask cpu_online_mask;
unsigned int nr_cpu_ids;

DEFINE_PER_CPU_READ_MOSTLY(unsigned int, cpu_number);

static struct cpumask startable;   /* those with an enabled processor */
static uint32_t apic_ids[NR_CPUS]; /* by CPU id; APIC_ID_NONE: no processor */

unsigned int smp_processor_id(void)
{
	return this_cpu_read(cpu_number);
}

uint32_t smp_apic_id(unsigned int cpu)
{
	return cpu < NR_CPUS ? apic_ids[cpu] : APIC_ID_NONE;
}

bool smp_is_startable(unsigned int cpu)
{
	return bitmap_test(startable.bits, cpu);
}

unsigned int smp_cpu_of_apic(uint32_t apic_id)
{
	unsigned int cpu;

	for_each_possible_cpu (cpu)
		if (apic_ids[cpu] == apic_id)
			return cpu;
	return NR_CPUS;
}

unsigned int smp_node_of(unsigned int cpu)
{
	uint32_t apic_id = smp_apic_id(cpu);

	return apic_id == APIC_ID_NONE ? 0 : acpi_node_of_apic(apic_id);
}

unsigned int smp_max_online(void)
{
	uint64_t max = cmdline_u64("maxcpus", NR_CPUS);

	return max == 0 ? 1 : (unsigned int)min(max, (uint64_t)NR_CPUS);
}

/* ---- Processors, in the order in which they get ids ---- */

static struct {
	uint32_t apic_id[NR_CPUS];
	unsigned int nr, nr_enabled; /* the enabled ones come first */
} processors;

static void processor_add(uint32_t apic_id)
{
	if (processors.nr == NR_CPUS) {
		log_warn("processor with APIC id %u is not used: there are %d already", apic_id,
			 NR_CPUS);
		return;
	}
	if (!lapic_can_reach(apic_id)) {
		log_warn("processor with APIC id %u is not used: this CPU has no x2APIC", apic_id);
		return;
	}
	processors.apic_id[processors.nr++] = apic_id;
}

/* Those of the MADT that are enabled, or those that are not; the boot CPU is there already. */
static void add_from_madt(bool enabled)
{
	for (unsigned int i = 0; i < acpi_madt.nr_cpus; i++)
		if (acpi_madt.cpus[i].enabled == enabled &&
		    acpi_madt.cpus[i].apic_id != processors.apic_id[0])
			processor_add(acpi_madt.cpus[i].apic_id);
}

static void list_processors(void)
{
	processor_add(lapic_id());
	add_from_madt(true);
	processors.nr_enabled = processors.nr;
	add_from_madt(false);
}

/* ---- Ids ---- */

/* The id at the start of text; moves text past it and the comma. False when it is none. */
static bool next_id(const char **text, uint64_t *id)
{
	const char *comma = strchr(*text, ',');
	size_t length = comma != NULL ? (size_t)(comma - *text) : strlen(*text);
	char number[16];

	if (length >= sizeof(number))
		return false;
	memcpy(number, *text, length);
	number[length] = '\0';
	*text += length + (comma != NULL);
	return parse_u64(number, id);
}

/* Fills ids from "0,2,5". False, with a warning, when the list is malformed. */
static bool parse_ids(const char *text, struct cpumask *ids)
{
	const char *rest = text;
	uint64_t id;

	while (*rest != '\0') {
		if (!next_id(&rest, &id) || id >= NR_CPUS) {
			log_warn("cpu_ids=%s: want ids from 0 to %d with commas between: ignored",
				 text, NR_CPUS - 1);
			return false;
		}
		bitmap_set(ids->bits, id);
	}
	return bitmap_next_set(ids->bits, NR_CPUS, 0) < NR_CPUS;
}

static unsigned int wanted_possible(void)
{
	uint64_t wanted = cmdline_u64("possible_cpus", processors.nr_enabled);

	if (wanted >= 1 && wanted <= NR_CPUS)
		return (unsigned int)wanted;
	log_warn("possible_cpus=%lu: want 1 to %d: ignored", wanted, NR_CPUS);
	return processors.nr_enabled;
}

static void choose_ids(struct cpumask *ids)
{
	const char *list = cmdline_get("cpu_ids");

	if (list != NULL && parse_ids(list, ids))
		return;
	memset(ids, 0, sizeof(*ids));
	for (unsigned int id = wanted_possible(); id-- > 0;)
		bitmap_set(ids->bits, id);
}

void smp_enumerate(void)
{
	struct cpumask ids = {0};
	unsigned int nr = 0, boot;
	size_t id;

	for (id = 0; id < NR_CPUS; id++)
		apic_ids[id] = APIC_ID_NONE;
	list_processors();
	choose_ids(&ids);
	bitmap_for_each_set (id, ids.bits, NR_CPUS) {
		apic_ids[id] = nr < processors.nr ? processors.apic_id[nr] : APIC_ID_NONE;
		if (nr < processors.nr_enabled)
			bitmap_set(startable.bits, id);
		nr_cpu_ids = (unsigned int)id + 1;
		nr++;
	}
	cpu_possible_mask = ids;
	boot = cpumask_next(&cpu_possible_mask, 0);
	this_cpu_write(cpu_number, boot);
	bitmap_set(cpu_online_mask.bits, boot);
	log_info("%u possible CPUs, ids below %u; %u processors, %u enabled", nr, nr_cpu_ids,
		 processors.nr, processors.nr_enabled);
}
