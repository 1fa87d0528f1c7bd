// Makes tabs of the blocks that show kqueue and epoll below each other, and
// remembers which one the reader chose. Without this file both are shown.
(function () {
    "use strict";

    const KEY = "kernel-queue";

    function remembered() {
        try {
            return localStorage.getItem(KEY);
        } catch (_) {
            return null; // no storage, no memory
        }
    }

    function remember(name) {
        try {
            localStorage.setItem(KEY, name);
        } catch (_) {
            // The choice holds for this page.
        }
    }

    const groups = [];

    function choose(name) {
        for (const group of groups) {
            if (!group.some((entry) => entry.name === name)) {
                continue;
            }
            for (const entry of group) {
                const chosen = entry.name === name;
                entry.tab.setAttribute("aria-selected", String(chosen));
                entry.tab.tabIndex = chosen ? 0 : -1;
                entry.panel.hidden = !chosen;
            }
        }
    }

    function onKey(event, group, at) {
        const last = group.length - 1;
        const to = {
            ArrowRight: at === last ? 0 : at + 1,
            ArrowLeft: at === 0 ? last : at - 1,
            Home: 0,
            End: last,
        }[event.key];
        if (to === undefined) {
            return;
        }
        event.preventDefault();
        event.stopPropagation(); // the arrows also turn the pages
        choose(group[to].name);
        remember(group[to].name);
        group[to].tab.focus();
    }

    function build(block, number) {
        const list = document.createElement("div");
        list.setAttribute("role", "tablist");
        list.setAttribute("aria-label", "kqueue or epoll");
        const group = [];
        block.querySelectorAll(":scope > .tab").forEach((panel, at) => {
            const name = panel.dataset.tab;
            const tab = document.createElement("button");
            tab.type = "button";
            tab.textContent = name;
            tab.id = "tab-" + number + "-" + name;
            panel.id = "panel-" + number + "-" + name;
            tab.setAttribute("role", "tab");
            tab.setAttribute("aria-controls", panel.id);
            panel.setAttribute("role", "tabpanel");
            panel.setAttribute("aria-labelledby", tab.id);
            tab.addEventListener("click", () => {
                choose(name);
                remember(name);
            });
            tab.addEventListener("keydown", (event) => onKey(event, group, at));
            list.append(tab);
            group.push({ name, tab, panel });
        });
        block.prepend(list);
        block.classList.add("live");
        groups.push(group);
    }

    document.querySelectorAll(".tabs").forEach(build);
    const likely = /Mac|iPhone|iPad|BSD/.test(navigator.userAgent) ? "kqueue" : "epoll";
    const choice = remembered();
    choose(choice === "kqueue" || choice === "epoll" ? choice : likely);

    // mdBook's switch of the sidebar is a label that says it is pressed.
    document.querySelectorAll("label[aria-expanded]").forEach((label) => label.setAttribute("role", "button"));

    // A closed answer is not printed: on paper all are open.
    let closed = [];
    addEventListener("beforeprint", () => {
        closed = [...document.querySelectorAll("details:not([open])")];
        closed.forEach((answer) => (answer.open = true));
    });
    addEventListener("afterprint", () => {
        closed.forEach((answer) => (answer.open = false));
        closed = [];
    });

    // What scrolls must be reachable with the keyboard.
    document.querySelectorAll(".content pre > code, .content .table-wrapper").forEach((box) => {
        if (box.scrollWidth > box.clientWidth) {
            box.tabIndex = 0;
            if (!box.hasAttribute("role")) {
                box.setAttribute("role", "region");
                box.setAttribute("aria-label", box.matches("code") ? "code" : "table");
            }
        }
    });
})();
