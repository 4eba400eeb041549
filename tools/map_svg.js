/*
 * The picture of hakmem map: shows what a box is beside the mouse, and with a click picks out the boxes
 * of its colour. Without it the picture is complete.
 */
'use strict';
(() => {
    const SVG = 'http://www.w3.org/2000/svg';
    const svg = document.currentScript.ownerSVGElement;
    const make = (name, parent, properties = {}) => {
        const element = document.createElementNS(SVG, name);
        for (const [key, value] of Object.entries(properties))
            element.setAttribute(key, value);
        parent.append(element);
        return element;
    };

    const descriptions = new Map();
    for (const box of svg.querySelectorAll('.box')) {
        const title = box.querySelector('title');
        descriptions.set(box, title.textContent.split('\n'));
        box.setAttribute('role', 'img');
        box.setAttribute('aria-label', title.textContent.replaceAll('\n', ', '));
        title.remove(); /* or the browser would show it, too */
    }
    const boxOf = target => target instanceof Element ? target.closest('.box') : null;

    /* Beside a place of the window, and wholly in it; the picture may be shown larger or smaller. */
    const hint = make('g', svg, { id: 'hint', visibility: 'hidden' });
    const showHint = (box, clientX, clientY) => {
        const back = make('rect', hint), text = make('text', hint);
        hint.replaceChildren(back, text);
        descriptions.get(box).forEach((row, i) => {
            const place = { x: 10, y: 18 + 16 * i, class: i === 0 ? 'name' : 'fact' };
            make('tspan', text, place).textContent = row;
        });
        const toPicture = svg.getScreenCTM().inverse();
        const at = new DOMPoint(clientX, clientY).matrixTransform(toPicture);
        const end = new DOMPoint(window.innerWidth, window.innerHeight).matrixTransform(toPicture);
        const width = text.getBBox().width + 20, height = 16 * descriptions.get(box).length + 12;
        back.setAttribute('width', width);
        back.setAttribute('height', height);
        const x = at.x + 14 + width > end.x - 8 ? Math.max(at.x - width - 10, 4) : at.x + 14;
        const y = at.y + 16 + height > end.y - 4 ? Math.max(at.y - height - 10, 4) : at.y + 16;
        hint.setAttribute('transform', `translate(${x} ${y})`);
        hint.setAttribute('visibility', 'visible');
    };
    const hideHint = () => hint.setAttribute('visibility', 'hidden');

    let picked = '';
    const pick = use => {
        picked = use === picked ? '' : use;
        svg.classList.toggle('picked', picked !== '');
        for (const box of descriptions.keys())
            box.classList.toggle('same', box.classList.contains(picked || 'none'));
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
        pick(box ? [...box.classList].find(name => /^k\d+$/.test(name)) : '');
    });
    document.addEventListener('keydown', event => {
        if (event.key === 'Escape')
            pick('');
    });
})();
