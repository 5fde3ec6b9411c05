#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Misuse of per-CPU pointers must not build, proper use must, and the access check must see what it
is there for. Each snippet is compiled with the kernel's own flags (KERNEL_CC), linked, and checked.
Prints TAP.
"""
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools"))
import taptest  # noqa: E402

HEAD = """
#include "percpu/percpu.h"
struct pair { long a; int b; };
DEFINE_PER_CPU(long, counter);
DEFINE_PER_CPU(struct pair, pair);
DEFINE_PER_CPU(int, array[4]);
void plain_int(int *p);
void percpu_int(int __percpu *p);
long f(struct pair __percpu *s, int __percpu *p, int *q, unsigned int cpu);
long f(struct pair __percpu *s, int __percpu *p, int *q, unsigned int cpu)
{
	(void)s, (void)p, (void)q, (void)cpu;
"""
TAIL = "\n\treturn 0;\n}\n"

# The compiler takes them and every access is on record.
GOOD = {
    "static_variable_read": "return this_cpu_read(counter);",
    "member_of_static_variable": "this_cpu_add(pair.b, 3); return this_cpu_read(pair.a);",
    "element_of_array": "this_cpu_inc(array[2]); return this_cpu_read(array[cpu]);",
    "member_through_pointer": "this_cpu_sub(s->b, cpu); this_cpu_dec(s->a);",
    "object_of_pointer": "this_cpu_write(*p, 7); return this_cpu_xchg(*p, 8);",
    "compare_and_exchange": "return this_cpu_cmpxchg(s->a, 1, 2);",
    "add_return": "return this_cpu_add_return(s->b, 5) + this_cpu_inc_return(*p);",
    "copy_of_another_cpu": "per_cpu(counter, cpu) = 1; return per_cpu_ptr(s, cpu)->a;",
    "address_of_own_copy": "plain_int(this_cpu_ptr(p)); return raw_cpu_ptr(s)->b;",
    "pointer_to_percpu_parameter": "percpu_int(p);",
    "pointer_to_static_variable": "percpu_int(&array[1]);",
    "allocation": "struct pair __percpu *n = alloc_percpu(struct pair); free_percpu(n);",
    "null_assignment_and_compare": "int __percpu *n = NULL; return p == n || !p;",
}

# The compiler refuses them.
REFUSED = {
    "percpu_pointer_as_plain_argument": "plain_int(p);",
    "plain_pointer_as_percpu_argument": "percpu_int(q);",
    "percpu_pointer_assigned_to_plain": "q = p;",
    "plain_pointer_assigned_to_percpu": "p = q;",
    "percpu_pointer_as_plain_result": "int *r = &array[0]; return (long)r;",
    "percpu_pointer_cast_to_plain": "return *(int *)p;",
    "plain_pointer_cast_to_percpu": "percpu_int((int __percpu *)q);",
    "percpu_pointer_to_void": "void *v = p; return v != NULL;",
    "plain_pointer_freed": "free_percpu(q);",
    "allocation_kept_as_plain": "q = __alloc_percpu(4, 4);",
    "address_of_static_variable_as_plain": "q = &array[0];",
    "accessor_on_plain_variable": "int plain = 1; return this_cpu_read(plain);",
    "accessor_on_plain_pointer": "this_cpu_inc(*q);",
    "pointer_of_another_type": "percpu_int(&pair.a);",
    "wrong_member": "return this_cpu_read(s->nothing);",
    "locked_increment": "__atomic_fetch_add(p, 1, __ATOMIC_SEQ_CST);",
    "accessor_on_a_whole_struct": "this_cpu_write(*s, *s);",
}

# The compiler takes them, the check of the linked kernel does not.
CAUGHT = {
    "plain_dereference": "return *p;",
    "plain_store": "*p = 1;",
    "plain_member": "return s->a;",
    "plain_static_variable": "return counter;",
    "plain_increment_of_static_variable": "counter++;",
    "plain_element_of_array": "return array[cpu];",
    "recorded_but_locked": '__asm__ volatile(PERCPU_SITE "lock incl %0" : "+m"(*p));',
    "recorded_but_not_percpu": '__asm__ volatile(PERCPU_SITE "incl %0" : "+m"(*q));',
    "recorded_in_mid_instruction":
        '__asm__ volatile(".byte 0xb8\\n\\t" PERCPU_SITE "addl $1, %0" : "+m"(*p));',
}


def compiled(folder, body):
    """(object file, the compiler's messages); None instead of the file if it refused."""
    source, target = os.path.join(folder, "case.c"), os.path.join(folder, "case.o")
    with open(source, "w", encoding="utf-8") as file:
        file.write(HEAD + "\t" + body + TAIL)
    done = subprocess.run([*os.environ["KERNEL_CC"].split(), "-c", "-o", target, source], cwd=ROOT,
                          capture_output=True, text=True, check=False)
    return (target if done.returncode == 0 else None), done.stderr


def check(folder, target):
    """Links as the kernel is linked and runs the access check; (whether it passed, its messages)."""
    elf = os.path.join(folder, "case.elf")
    subprocess.run(["ld", "-nostdlib", "--unresolved-symbols=ignore-all", "-T", "build/linker.ld",
                    "-o", elf, target], cwd=ROOT, check=True, capture_output=True)
    done = subprocess.run(["tools/check_percpu.py", elf], cwd=ROOT, capture_output=True, text=True,
                          check=False)
    return done.returncode == 0, done.stderr


def good_case(body):
    with tempfile.TemporaryDirectory() as folder:
        target, messages = compiled(folder, body)
        assert target, "does not compile:\n" + messages
        passed, messages = check(folder, target)
        assert passed, "the access check refuses it:\n" + messages


def refused_case(body):
    with tempfile.TemporaryDirectory() as folder:
        target, messages = compiled(folder, body)
        assert not target, "it compiles"
        assert re.search(r"case\.c:\d+:", messages) and "error:" in messages, \
            "fails elsewhere:\n" + messages


def caught_case(body):
    with tempfile.TemporaryDirectory() as folder:
        target, messages = compiled(folder, body)
        assert target, "this snippet should compile:\n" + messages
        passed, messages = check(folder, target)
        assert not passed, "the access check lets it pass"
        assert "case.c:" in messages, "the message does not name the line:\n" + messages


def kernel_case():
    done = subprocess.run(["tools/check_percpu.py", "build/percpu.elf"], cwd=ROOT, text=True,
                          capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[0]) > 0, "the kernel has no this_cpu access on record"
    return done.stdout.strip()


def main():
    cases = [("every_access_of_the_kernel_is_an_accessor", kernel_case)]
    for prefix, snippets, function in (("builds", GOOD, good_case),
                                       ("refused", REFUSED, refused_case),
                                       ("caught_by_check", CAUGHT, caught_case)):
        cases += [(f"{prefix}_{name}", lambda f=function, b=body: f(b))
                  for name, body in snippets.items()]
    sys.exit(0 if taptest.run_cases(cases) else 1)


if __name__ == "__main__":
    main()
