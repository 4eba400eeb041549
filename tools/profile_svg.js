/*
 * The flame graph of hakmem profile: makes it as wide as the window, shows what a box is under the
 * mouse, zooms and searches. Without it the picture is complete. Names are put into text alone.
 */
'use strict';
(() => {
    const MARGIN = 10, BOX = 17, GAP = 0.5, NARROWEST = 0.3, LABEL_LEAST = 5;
    const SVG = 'http://www.w3.org/2000/svg', HTML = 'http://www.w3.org/1999/xhtml';
    const svg = document.currentScript.ownerSVGElement;

    const make = (namespace, name, parent, properties = {}) => {
        const element = document.createElementNS(namespace, name);
        for (const [key, value] of Object.entries(properties))
            element.setAttribute(key, value);
        parent.append(element);
        return element;
    };
    const percent = (part, whole) => (100 * part / whole).toFixed(1) + '%';

    /* ---- boxes: each before those that it calls ---- */

    const boxes = [], byGroup = new Map(), open = [];
    for (const group of svg.querySelectorAll('.box')) {
        const [start, width, depth] = group.dataset.at.split(' ').map(Number);
        const title = group.querySelector('title'), about = title.textContent.split('\n');
        const box = {
            group, start, width, depth, about, name: about[0],
            label: group.dataset.label || about[0],
            rect: group.querySelector('rect'), text: group.querySelector('text'),
            parent: depth > 0 ? open[depth - 1] : null, children: [],
            index: boxes.length, last: boxes.length, /* of the boxes within it */
            found: false, hidden: false,
        };
        for (let above = box.parent; above; above = above.parent)
            above.last = box.index;
        if (box.parent)
            box.parent.children.push(box);
        open[depth] = box;
        boxes.push(box);
        byGroup.set(group, box);
        title.remove(); /* or the browser would show it, too */
        group.setAttribute('tabindex', depth > 0 ? -1 : 0);
        group.setAttribute('role', 'img');
        group.setAttribute('aria-label', about.join(', '));
    }
    const root = boxes[0];
    let focus = root, marked = root;
    const within = (box, outer) => box.index >= outer.index && box.index <= outer.last;

    /* ---- where boxes are ---- */

    svg.removeAttribute('viewBox');
    svg.setAttribute('width', '100%');
    const height = Number(svg.getAttribute('height'));
    const probe = make(SVG, 'text', svg);
    probe.textContent = 'x'.repeat(100);
    const characterWidth = probe.getComputedTextLength() / 100 || 7.3;
    probe.remove();

    /* Rather the end of a long name than its beginning, which is only the namespace or the class. */
    const fit = (box, width) => {
        const room = Math.floor((width - 7) / characterWidth);
        if (box.name.length <= room)
            return box.name;
        if (room < LABEL_LEAST)
            return '';
        let label = box.label;
        while (label.length > room && label.includes('::'))
            label = '…' + label.slice(label.indexOf('::') + 2);
        const characters = Array.from(label);
        return characters.length <= room ? label : characters.slice(0, room - 1).join('') + '…';
    };
    const place = (box, x, width) => {
        box.rect.setAttribute('x', x);
        box.rect.setAttribute('width', width > 2 ? width - GAP : width);
        const label = fit(box, width);
        if (label && !box.text)
            box.text = make(SVG, 'text', box.group, { y: Number(box.rect.getAttribute('y')) + 12.5 });
        if (box.text) {
            box.text.setAttribute('x', x + 4);
            box.text.textContent = label;
        }
    };
    const layOut = () => {
        svg.setAttribute('height', Math.max(height, window.innerHeight)); /* with room for hints */
        const inner = Math.max(svg.getBoundingClientRect().width - 2 * MARGIN, 300);
        const scale = inner / focus.width;
        for (const box of boxes) {
            const above = box !== focus && within(focus, box);
            const width = above ? inner : box.width * scale;
            const hidden = !above && (!within(box, focus) || width < NARROWEST && focus !== root);
            if (hidden !== box.hidden)
                box.group.style.display = hidden ? 'none' : '';
            box.hidden = hidden;
            box.group.classList.toggle('above', above);
            if (!hidden)
                place(box, above ? MARGIN : MARGIN + (box.start - focus.start) * scale, width);
        }
        bar.setAttribute('x', inner + MARGIN - bar.getAttribute('width'));
        result.setAttribute('x', inner + MARGIN);
    };

    /* ---- what a box is ---- */

    const hint = make(SVG, 'g', svg, { id: 'hint', visibility: 'hidden' });
    const wrap = (line, length, most) => {
        const characters = Array.from(line), rows = [];
        for (let i = 0; i < characters.length && rows.length < most; i += length)
            rows.push(characters.slice(i, i + length).join(''));
        if (characters.length > most * length)
            rows.push('…');
        return rows;
    };
    /* Beside a place of the window, and wholly in it. */
    const showHint = (box, clientX, clientY) => {
        const page = svg.getBoundingClientRect();
        const length = Math.min(100, Math.floor((page.width - 60) / characterWidth));
        const name = wrap(box.name, length, 4);
        const rows = name.concat(...box.about.slice(1).map(line => wrap(line, length, 2)));
        if (focus !== root && box !== focus && within(box, focus))
            rows.push(...wrap(percent(box.width, focus.width) + ' of ' + focus.label, length, 1));
        hint.replaceChildren();
        const back = make(SVG, 'rect', hint), text = make(SVG, 'text', hint);
        rows.forEach((row, i) => {
            const place = { x: 10, y: 18 + 16 * i, class: i < name.length ? 'name' : 'fact' };
            make(SVG, 'tspan', text, place).textContent = row;
        });
        const width = text.getBBox().width + 20, height = 16 * rows.length + 12;
        back.setAttribute('width', width);
        back.setAttribute('height', height);
        let x = clientX + 14, y = clientY + 16;
        if (x + width > window.innerWidth - 8)
            x = Math.max(clientX - width - 10, 4);
        if (y + height > window.innerHeight - 4)
            y = Math.max(clientY - height - 10, 4);
        hint.setAttribute('transform', `translate(${x - page.left} ${y - page.top})`);
        hint.setAttribute('visibility', 'visible');
    };
    const hideHint = () => hint.setAttribute('visibility', 'hidden');

    /* ---- zoom, search ---- */

    const bar = make(SVG, 'foreignObject', svg, { y: 6, width: 400, height: 36 });
    const result = make(SVG, 'text', svg, { class: 'note', y: 50, 'text-anchor': 'end' });
    const controls = make(HTML, 'div', bar, { class: 'bar' });
    const reset = make(HTML, 'button', controls, { type: 'button', hidden: '' });
    const input = make(HTML, 'input', controls, {
        type: 'search', placeholder: 'Search functions (Ctrl+F)', 'aria-label': 'Search functions',
        spellcheck: 'false', autocomplete: 'off',
    });
    reset.textContent = 'Reset zoom';
    svg.append(hint); /* above all */
    result.setAttribute('role', 'status');

    const zoom = box => {
        focus = box;
        reset.hidden = box === root;
        hideHint();
        layOut();
    };
    const search = () => {
        const wanted = input.value.toLowerCase();
        let count = 0, bytes = 0, counted = -1; /* what is within a found box counts once */
        for (const box of boxes) {
            box.found = wanted !== '' && box.depth > 0 && box.name.toLowerCase().includes(wanted);
            box.group.classList.toggle('found', box.found);
            count += box.found;
            if (box.found && box.index > counted) {
                bytes += box.width;
                counted = box.last;
            }
        }
        svg.classList.toggle('searched', wanted !== '');
        result.textContent = wanted === '' ? '' : count === 0 ? 'Nothing found' :
            `${count} found: ${percent(bytes, root.width)} of the total`;
    };

    /* ---- mouse and keyboard ---- */

    const boxOf = target => {
        const group = target instanceof Element ? target.closest('.box') : null;
        return byGroup.get(group);
    };
    const mark = box => {
        marked.group.setAttribute('tabindex', -1);
        marked = box;
        box.group.setAttribute('tabindex', 0);
        box.group.focus();
        const place = box.rect.getBoundingClientRect();
        showHint(box, Math.max(place.left, 0), place.bottom - 12);
    };
    const beside = (box, step) => {
        const row = boxes.filter(other => other.depth === box.depth && !other.hidden);
        return row[row.indexOf(box) + step];
    };
    const keys = {
        ArrowUp: box => box.parent,
        ArrowDown: box => box.children.find(child => !child.hidden),
        ArrowLeft: box => beside(box, -1),
        ArrowRight: box => beside(box, 1),
    };

    svg.addEventListener('mousemove', event => {
        const box = boxOf(event.target);
        if (box)
            showHint(box, event.clientX, event.clientY);
        else
            hideHint();
    });
    svg.addEventListener('mouseleave', hideHint);
    svg.addEventListener('click', event => {
        const box = boxOf(event.target);
        if (box)
            zoom(box);
    });
    reset.addEventListener('click', () => zoom(root));
    input.addEventListener('input', search);
    document.addEventListener('keydown', event => {
        const box = boxOf(event.target);
        if (event.key === 'f' && (event.ctrlKey || event.metaKey) && event.target !== input) {
            event.preventDefault(); /* pressed again it is the browser's own */
            window.scrollTo(0, 0);
            input.select();
        } else if (event.key === 'Escape' && input.value !== '') {
            input.value = '';
            search();
        } else if (event.key === 'Escape') {
            zoom(root);
        } else if (box && keys[event.key]) {
            event.preventDefault();
            const next = keys[event.key](box);
            if (next)
                mark(next);
        } else if (box && (event.key === 'Enter' || event.key === ' ')) {
            event.preventDefault();
            zoom(box);
        }
    });

    if (root) {
        layOut();
        window.addEventListener('resize', layOut);
        new ResizeObserver(layOut).observe(svg);
    }
})();
