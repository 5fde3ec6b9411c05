/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Finding the ACPI tables: the root pointer from the boot loader, or else by its signature on 16-byte
 * borders in the BIOS areas; from it the XSDT, or the RSDT where there is none; in that the tables.
 * Everything is read through the direct map. Source: ACPI 6.4 section 5.2.5.
 */
#define LOG_AREA "acpi"
#include "arch/x86_64/acpi.h"

#include "arch/x86_64/acpi_internal.h"
#include "arch/x86_64/apic.h"
#include "arch/x86_64/cpu.h"
#include "arch/x86_64/memlayout.h"
#include "arch/x86_64/paging.h"
#include "boot/multiboot2.h"
#include "kernel/printk.h"
#include "kernel/string.h"
#include "kernel/time.h"

#define EBDA_POINTER	 0x40e /* real-mode segment of the extended BIOS data area */
#define EBDA_SEARCH_SIZE 1024
#define BIOS_START	 0xe0000
#define BIOS_END	 0x100000
#define RSDP_V1_SIZE	 20
#define DEFAULT_LAPIC	 0xfee00000
#define MAX_TABLE_SIZE	 (1u << 20)

struct rsdp {
	char signature[8];
	uint8_t checksum;
	char oem[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length; /* from revision 2 on */
	uint64_t xsdt;
} __packed;

/* The PM1 control register. */
enum {
	PM1_ACPI_ON = 1 << 0,
	PM1_SLEEP_TYPE_SHIFT = 10,
	PM1_SLEEP_TYPE = 7 << PM1_SLEEP_TYPE_SHIFT,
	PM1_SLEEP = 1 << 13,
};
#define ENABLE_NS 1000000000ul /* that the firmware has to turn ACPI on */

struct acpi_madt acpi_madt;
static struct acpi_srat srat;
static struct acpi_fadt fadt; /* control_a 0: switching off is not known */
static struct acpi_s5 s5;

static bool is_rsdp(const void *p)
{
	return memcmp(p, "RSD PTR ", 8) == 0 && acpi_checksum_good(p, RSDP_V1_SIZE);
}

static const struct rsdp *search(phys_addr_t start, phys_addr_t end)
{
	for (phys_addr_t pa = start; pa + sizeof(struct rsdp) <= end; pa += 16) {
		if (is_rsdp(phys_to_virt(pa)))
			return phys_to_virt(pa);
	}
	return NULL;
}

static const struct rsdp *find_rsdp(void)
{
	phys_addr_t ebda = (phys_addr_t) * (uint16_t *)phys_to_virt(EBDA_POINTER) << 4;
	const struct rsdp *found = NULL;

	if (boot_info.has_rsdp && is_rsdp(boot_info.rsdp))
		return (const struct rsdp *)boot_info.rsdp;
	if (ebda >= 0x80000 && ebda < 0xa0000)
		found = search(ebda, ebda + EBDA_SEARCH_SIZE);
	return found ? found : search(BIOS_START, BIOS_END);
}

/* A table at a physical address, if the direct map shows all of it. */
static const void *table_at(phys_addr_t pa, uint32_t *size)
{
	const uint8_t *table = phys_to_virt(pa);

	if (pa == 0 || paging_lookup((uintptr_t)table, NULL) == PHYS_NONE ||
	    paging_lookup((uintptr_t)table + ACPI_HEADER_SIZE, NULL) == PHYS_NONE)
		return NULL;
	memcpy(size, table + 4, sizeof(*size));
	if (*size < ACPI_HEADER_SIZE || *size > MAX_TABLE_SIZE ||
	    paging_lookup((uintptr_t)table + *size - 1, NULL) == PHYS_NONE)
		return NULL;
	return table;
}

/* The n-th table that the root table lists; 0 past its end. entry_size: 8 in an XSDT, 4 in an RSDT. */
static phys_addr_t listed(const uint8_t *root, uint32_t size, size_t n, size_t entry_size)
{
	size_t offset = ACPI_HEADER_SIZE + n * entry_size;
	uint64_t pa = 0;

	if (offset + entry_size <= size)
		memcpy(&pa, root + offset, entry_size);
	return pa;
}

static const void *find_table(const struct rsdp *rsdp, const char *signature, uint32_t *size)
{
	bool has_xsdt = rsdp->revision >= 2 && rsdp->xsdt != 0;
	size_t entry_size = has_xsdt ? 8 : 4;
	uint32_t root_size;
	const void *root = table_at(has_xsdt ? rsdp->xsdt : rsdp->rsdt, &root_size);
	phys_addr_t pa;

	if (!root || acpi_table_error(root, root_size, has_xsdt ? "XSDT" : "RSDT"))
		return NULL;
	for (size_t n = 0; (pa = listed(root, root_size, n, entry_size)) != 0; n++) {
		const void *table = table_at(pa, size);

		if (table && memcmp(table, signature, 4) == 0)
			return table;
	}
	return NULL;
}

/* Without a usable MADT there is the processor that runs this. */
static void one_cpu(const char *why)
{
	log_warn("%s: only the boot processor is used", why);
	memset(&acpi_madt, 0, sizeof(acpi_madt));
	acpi_madt.lapic_address = DEFAULT_LAPIC;
	acpi_madt.cpus[0] = (struct acpi_cpu){lapic_id(), true};
	acpi_madt.nr_cpus = 1;
}

/* Finds out how the machine is switched off. */
static void read_power_off(const struct rsdp *rsdp)
{
	uint32_t size;
	const void *table = find_table(rsdp, "FACP", &size);
	const char *error = table ? acpi_parse_fadt(table, size, &fadt) : "no such table";

	if (!error) {
		table = table_at(fadt.dsdt, &size);
		error = table ? acpi_parse_dsdt(table, size, &s5) : "no DSDT";
	}
	if (!error)
		return;
	log_info("FADT: %s: this machine cannot be switched off from here", error);
	fadt.control_a = 0;
}

void acpi_init(void)
{
	const struct rsdp *rsdp = find_rsdp();
	const void *table;
	const char *error;
	uint32_t size;

	if (!rsdp)
		return one_cpu("no ACPI root pointer");
	read_power_off(rsdp);
	table = find_table(rsdp, "APIC", &size);
	if (!table)
		return one_cpu("no MADT");
	error = acpi_parse_madt(table, size, &acpi_madt);
	if (error)
		return one_cpu(error);
	if (acpi_madt.nr_dropped != 0)
		log_warn("MADT: %u entries more than there is room for are not used",
			 acpi_madt.nr_dropped);
	table = find_table(rsdp, "SRAT", &size);
	error = table ? acpi_parse_srat(table, size, &srat) : NULL;
	if (error)
		log_warn("SRAT: %s: memory nodes are not told apart", error);
	log_info("MADT: %u processors, %u I/O APICs; SRAT: %u memory ranges", acpi_madt.nr_cpus,
		 acpi_madt.nr_ioapics, srat.nr_ranges);
}

static void sleep_by(uint16_t port, uint8_t type)
{
	uint16_t value = x86_inw(port) & (uint16_t) ~(PM1_SLEEP_TYPE | PM1_SLEEP);

	x86_outw(port, value | (uint16_t)(type << PM1_SLEEP_TYPE_SHIFT) | PM1_SLEEP);
}

void acpi_power_off(void)
{
	uint64_t start = time_ns();

	if (fadt.control_a == 0)
		return;
	if (fadt.smi_command != 0 && fadt.acpi_enable != 0 &&
	    !(x86_inw(fadt.control_a) & PM1_ACPI_ON)) {
		x86_outb(fadt.smi_command, fadt.acpi_enable);
		while (!(x86_inw(fadt.control_a) & PM1_ACPI_ON) && time_ns() - start < ENABLE_NS)
			x86_pause();
	}
	sleep_by(fadt.control_a, s5.type_a);
	if (fadt.control_b != 0)
		sleep_by(fadt.control_b, s5.type_b);
	time_delay_us(ENABLE_NS / 1000); /* it takes a moment */
}

unsigned int acpi_node_of_apic(uint32_t apic_id)
{
	for (unsigned int i = 0; i < srat.nr_cpus; i++) {
		if (srat.cpus[i].apic_id == apic_id)
			return srat.cpus[i].node;
	}
	return 0;
}

unsigned int acpi_node_of_phys(phys_addr_t pa)
{
	for (unsigned int i = 0; i < srat.nr_ranges; i++) {
		if (pa >= srat.ranges[i].start && pa < srat.ranges[i].end)
			return srat.ranges[i].node;
	}
	return 0;
}
