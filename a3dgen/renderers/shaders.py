"""GLSL of the OpenGL renderer: triangles write which face they are, nothing else; shading is ``shade.py``'s."""

VERTEX = """
#version 330
in vec3 position;
uniform mat4 to_clip;
void main() { gl_Position = to_clip * vec4(position, 1.0); }
"""

FACE = """
#version 330
uniform int first;
layout(location = 0) out vec4 code;
void main() {
    int face = gl_PrimitiveID + first;
    code = vec4(float(face & 255), float((face >> 8) & 255), float((face >> 16) & 255), float(face >> 24)) / 255.0;
}
"""

DEPTH_ONLY = """
#version 330
void main() {}
"""
