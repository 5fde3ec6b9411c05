#include "arch/x86_64/smp.h"
#include "arch/x86_64/acpi.h"
#include "arch/x86_64/cpu.h"
#include "arch/x86_64/serial.h"
#include "arch/x86_64/apic.h"
#include "kernel/time.h"
#include "kernel/cpumask.h"
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
DEFINE_PER_CPU_READ_MOSTLY(unsigned int, cpu_number);
struct cpumask cpu_possible_mask = {{1}}, cpu_online_mask={{1}};
unsigned int nr_cpu_ids = 1;
unsigned int smp_processor_id(void){return this_cpu_read(cpu_number);}
bool serial_init(uint16_t p){x86_outb(p+1,0);x86_outb(p+3,0x80);x86_outb(p,1);x86_outb(p+1,0);x86_outb(p+3,3);x86_outb(p+2,7);x86_outb(p+4,3);return true;}
void serial_write(uint16_t p,const char*b,size_t n){for(size_t i=0;i<n;i++){while(!(x86_inb(p+5)&0x20));x86_outb(p,b[i]);}}
void lapic_eoi(void){}
uint64_t time_ns(void){return x86_rdtsc();}
uint64_t time_us(void){return time_ns()/1000;}
void acpi_init(void){}
void smp_enumerate(void){}
unsigned int smp_node_of(unsigned int c){(void)c;return 0;}
void tlb_flush_range(uintptr_t s,uintptr_t e){(void)s;(void)e;x86_write_cr3(x86_read_cr3());}
size_t serial_read(char *b,size_t n){(void)b;(void)n;return 0;}
